// The sizes of a GPT, and the combinations that cannot be built.

import { UserError } from "@tessera/config";
import type { Activation, Rotary } from "@tessera/layers";

export interface GptConfig {
  readonly layerCount: number;
  readonly hiddenSize: number;
  readonly headCount: number;
  /** Heads with keys and values of their own; a divisor of `headCount`. */
  readonly kvHeadCount: number;
  /** Width between the two matrices of the MLP, behind its activation. */
  readonly ffnHiddenSize: number;
  readonly vocabularySize: number;
  /** The longest sequence, in tokens. */
  readonly maxPositions: number;
  /** Probabilities of dropout after the embedding, of attention, and after each sublayer. */
  readonly dropout: Dropout;
  /** How a token knows its place. */
  readonly positions: Positions;
  readonly activation: Activation;
  /** What stands before attention and MLP, and at the end: layer or root mean square normalization. */
  readonly norm: "layer" | "rms";
  readonly normEpsilon: number;
  /** Whether attention and MLP stand side by side behind one norm, as in GPT-J. */
  readonly parallelBlock: boolean;
  readonly biases: Biases;
  /** Whether logits are made with the token embedding. */
  readonly tiedEmbeddings: boolean;
  /** Standard deviation of the initial weights. */
  readonly initStd: number;
}

/** `learned`: a table of `maxPositions` rows. `rotary`: queries and keys are turned. `none`: causality alone. */
export type Positions =
  { readonly kind: "learned" } | { readonly kind: "none" } | ({ readonly kind: "rotary" } & Rotary);

/** Which products have something added to them. */
export interface Biases {
  readonly attention: boolean;
  readonly mlp: boolean;
  readonly head: boolean;
}

export interface Dropout {
  readonly embedding: number;
  readonly attention: number;
  readonly residual: number;
}

export const noDropout: Dropout = { embedding: 0, attention: 0, residual: 0 };

export const uniformDropout = (rate: number): Dropout => ({
  embedding: rate,
  attention: rate,
  residual: rate,
});

/** The sizes that must be said; the rest follows from GPT-2. */
export type GptSizes = Pick<GptConfig, "layerCount" | "hiddenSize" | "headCount"> &
  Partial<GptConfig>;

export const GPT2_VOCABULARY = 50257;

/** A complete configuration. Throws a UserError where the sizes do not fit together. */
export function gptConfig(sizes: GptSizes): GptConfig {
  const config: GptConfig = {
    kvHeadCount: sizes.headCount,
    ffnHiddenSize: 4 * sizes.hiddenSize,
    vocabularySize: GPT2_VOCABULARY,
    maxPositions: 1024,
    dropout: noDropout,
    positions: { kind: "learned" },
    activation: "gelu",
    norm: "layer",
    normEpsilon: 1e-5,
    parallelBlock: false,
    biases: { attention: true, mlp: true, head: false },
    tiedEmbeddings: true,
    initStd: 0.02,
    ...sizes,
  };
  checkConfig(config);
  return config;
}

function checkConfig(config: GptConfig): void {
  const { hiddenSize, headCount, kvHeadCount } = config;
  for (const name of COUNTS) {
    if (!Number.isSafeInteger(config[name]) || config[name] < 1) {
      throw new UserError(`${name} is ${config[name]}, must be a whole number of at least 1`);
    }
  }
  if (hiddenSize % headCount !== 0) {
    throw new UserError(
      `${headCount} heads do not divide the hidden size ${hiddenSize}: choose a multiple`,
    );
  }
  if (headCount % kvHeadCount !== 0) {
    throw new UserError(`${kvHeadCount} key heads do not divide the ${headCount} query heads`);
  }
  checkPositions(config);
  if (config.biases.head && config.tiedEmbeddings) {
    throw new UserError(
      "a head that shares the token embedding has no bias: untie it, or leave the bias out",
    );
  }
  for (const [name, rate] of Object.entries(config.dropout) as [string, number][]) {
    if (!(rate >= 0 && rate < 1)) {
      throw new UserError(`${name} dropout is ${rate}, must be at least 0 and below 1`);
    }
  }
}

function checkPositions({ positions, hiddenSize, headCount }: GptConfig): void {
  if (positions.kind !== "rotary") return;
  const dims = (hiddenSize / headCount) * positions.fraction;
  if (!(dims >= 2) || positions.fraction > 1 || Math.abs(dims / 2 - Math.round(dims / 2)) > 1e-6) {
    throw new UserError(
      `rotary positions turn ${positions.fraction} of heads of ${hiddenSize / headCount}: ` +
        "must be an even number of elements, at least 2",
    );
  }
}

const COUNTS = [
  "layerCount",
  "hiddenSize",
  "headCount",
  "kvHeadCount",
  "ffnHiddenSize",
  "vocabularySize",
  "maxPositions",
] as const;
