// The sizes of a GPT, and the combinations that cannot be built.

import { UserError } from "@tessera/config";

export interface GptConfig {
  readonly layerCount: number;
  readonly hiddenSize: number;
  readonly headCount: number;
  /** Heads with keys and values of their own; a divisor of `headCount`. */
  readonly keyHeadCount: number;
  /** Width between the two matrices of the MLP. */
  readonly innerSize: number;
  readonly vocabularySize: number;
  /** The longest sequence, in tokens. */
  readonly maxPositions: number;
  /** Probabilities of dropout after the embedding, of attention, and after each sublayer. */
  readonly dropout: Dropout;
  /** Whether logits are made with the token embedding. */
  readonly tiedEmbeddings: boolean;
  /** Standard deviation of the initial weights. */
  readonly initDeviation: number;
  readonly layerNormEpsilon: number;
}

export interface Dropout {
  readonly embedding: number;
  readonly attention: number;
  readonly residual: number;
}

export const noDropout: Dropout = { embedding: 0, attention: 0, residual: 0 };

export const evenDropout = (rate: number): Dropout => ({
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
    keyHeadCount: sizes.headCount,
    innerSize: 4 * sizes.hiddenSize,
    vocabularySize: GPT2_VOCABULARY,
    maxPositions: 1024,
    dropout: noDropout,
    tiedEmbeddings: true,
    initDeviation: 0.02,
    layerNormEpsilon: 1e-5,
    ...sizes,
  };
  refuse(config);
  return config;
}

function refuse(config: GptConfig): void {
  const { hiddenSize, headCount, keyHeadCount } = config;
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
  if (headCount % keyHeadCount !== 0) {
    throw new UserError(`${keyHeadCount} key heads do not divide the ${headCount} query heads`);
  }
  for (const [name, rate] of Object.entries(config.dropout) as [string, number][]) {
    if (!(rate >= 0 && rate < 1)) {
      throw new UserError(`${name} dropout is ${rate}, must be at least 0 and below 1`);
    }
  }
}

const COUNTS = [
  "layerCount",
  "hiddenSize",
  "headCount",
  "keyHeadCount",
  "innerSize",
  "vocabularySize",
  "maxPositions",
] as const;
