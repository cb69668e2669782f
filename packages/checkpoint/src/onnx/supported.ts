// What the exported graph makes of each field of a configuration. The table has every field of `GptConfig`: one that is
// added there does not compile until it is in the graph, or refused.

import { UserError } from "@tessera/config";
import type { GptConfig } from "@tessera/gpt";

type Test<T> = (value: T) => boolean;

type SupportTable = { readonly [K in keyof GptConfig]: Test<GptConfig[K]> };

const any = (): boolean => true;
const oneOf =
  <T>(...known: readonly T[]): Test<T> =>
  (value) =>
    known.includes(value);

const supported: SupportTable = {
  layerCount: any,
  hiddenSize: any,
  headCount: any,
  kvHeadCount: any,
  headSize: any,
  qkNorm: any,
  ffnHiddenSize: any,
  vocabularySize: any,
  maxPositions: any,
  dropout: any, // acts in training alone, like initStd
  initStd: any,
  positions: ({ kind }) => oneOf<string>("learned", "rotary", "none")(kind),
  window: any,
  activation: oneOf("gelu", "gelu_erf", "swiglu"),
  norm: oneOf("layer", "rms"),
  normEpsilon: any,
  parallelBlock: oneOf<boolean | string>(true, false, "separate norms"),
  biases: ({ attention: _attention, mlp: _mlp, head: _head, ...others }) =>
    Object.keys(others).length === 0,
  tiedEmbeddings: any,
};

/** The test of a field and its value. */
const pairOf = <K extends keyof GptConfig>(
  config: GptConfig,
  name: K,
): readonly [Test<GptConfig[K]> | undefined, GptConfig[K]] => [supported[name], config[name]];

/**
 * Checks that the graph computes what `config` says.
 *
 * @throws UserError that names the field which it does not know.
 */
export function checkSupported(config: GptConfig): void {
  const names = Object.keys(config) as (keyof GptConfig)[];
  const unknown = names.find((name) => {
    const [isSupported, value] = pairOf(config, name);
    return isSupported?.(value) !== true;
  });
  if (unknown === undefined) return;
  throw new UserError(
    `ONNX has no graph for a model whose ${unknown} is ${JSON.stringify(config[unknown])}: ` +
      "convert it to Hugging Face's form",
  );
}
