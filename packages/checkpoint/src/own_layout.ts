// Models that GPT-2's layout has no place for, under the names of their own parameters.

import { UserError } from "@tessera/config";
import { gptConfig, type GptConfig } from "@tessera/gpt";
import * as v from "valibot";

export const OWN_TYPE = "tessera-gpt";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const rate = v.pipe(v.number(), v.minValue(0), v.maxValue(1));

const Positions = v.variant("kind", [
  v.object({ kind: v.picklist(["learned", "none"]) }),
  v.object({
    kind: v.literal("rotary"),
    base: v.pipe(v.number(), v.gtValue(0)),
    share: rate,
    pairs: v.picklist(["halves", "neighbours"]),
  }),
]);

/** A `GptConfig`, key for key. */
export const Config = v.object({
  layerCount: count,
  hiddenSize: count,
  headCount: count,
  keyHeadCount: count,
  innerSize: count,
  vocabularySize: count,
  maxPositions: count,
  dropout: v.object({ embedding: rate, attention: rate, residual: rate }),
  positions: Positions,
  activation: v.picklist(["gelu", "swiglu"]),
  norm: v.picklist(["layer", "rms"]),
  normEpsilon: v.number(),
  parallelBlock: v.boolean(),
  biases: v.object({ attention: v.boolean(), mlp: v.boolean(), head: v.boolean() }),
  tiedEmbeddings: v.boolean(),
  initDeviation: v.number(),
}) satisfies v.GenericSchema<unknown, GptConfig>;

const ConfigFile = v.object({ model_type: v.literal(OWN_TYPE), config: Config });

/** The model that a config.json of ours describes. Throws a UserError that names `path` and the key. */
export function fromOwnConfig(json: unknown, path: string): GptConfig {
  const parsed = v.safeParse(ConfigFile, json);
  if (parsed.success) return gptConfig(parsed.output.config);
  const issue = parsed.issues[0];
  throw new UserError(`${path}: ${v.getDotPath(issue) ?? "the file"}: ${issue.message}`);
}

export function toOwnConfig(config: GptConfig): string {
  const file: v.InferInput<typeof ConfigFile> = { model_type: OWN_TYPE, config };
  return `${JSON.stringify(file, null, 2)}\n`;
}
