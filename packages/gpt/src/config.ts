// The configuration of a GPT, and the checks that it can be built.

import { UserError } from "@tessera/config";
import type { Activation, Rotary } from "@tessera/layers";
import { checkLora, type LoraConfig } from "./lora.js";

/** The architecture of a GPT. See `gptConfig` for defaults. */
export interface GptConfig {
  readonly layerCount: number;
  /** Width of the residual stream: Megatron's `--hidden-size`, Hugging Face's `hidden_size` or `n_embd`. */
  readonly hiddenSize: number;
  readonly headCount: number;
  /** Number of KV heads, a divisor of `headCount`: fewer in grouped-query attention. */
  readonly kvHeadCount: number;
  /** Elements of a head: Megatron's `--kv-channels`, Hugging Face's `head_dim`. */
  readonly headSize: number;
  /** Whether each query and key is normalized by its RMS before it is rotated, as in Qwen 3. */
  readonly qkNorm: boolean;
  /** Width of the MLP after its activation function. */
  readonly ffnHiddenSize: number;
  /** Rows of the embedding. Not padded: no size depends on the number of ranks. */
  readonly vocabularySize: number;
  /** The longest sequence, in tokens. */
  readonly maxPositions: number;
  /** Probabilities of dropout. */
  readonly dropout: Dropout;
  /** The position embedding. */
  readonly positions: Positions;
  /** Sliding-window attention; null where all layers attend to all positions. */
  readonly window: SlidingWindow | null;
  readonly activation: Activation;
  /** Norm before attention and MLP, and before the head: layer norm or RMS norm. */
  readonly norm: "layer" | "rms";
  /** Added to the variance in norms. */
  readonly normEpsilon: number;
  /** Whether attention and MLP run in parallel: after one norm, as in GPT-J, or each after its own, as in GPT-NeoX. */
  readonly parallelBlock: boolean | "separate norms";
  readonly biases: Biases;
  /** Whether the head uses the token embedding as its table. */
  readonly tiedEmbeddings: boolean;
  /** Standard deviation of the initial weights. */
  readonly initStd: number;
  /** Low-rank adaptation: all other parameters are frozen. Default: none. */
  readonly lora?: LoraConfig;
}

/**
 * `learned`: a table of `maxPositions` rows, as in GPT-2. `rotary`: rotated queries and keys. `none`: attention knows
 * positions by the causal mask alone.
 */
export type Positions =
  { readonly kind: "learned" } | { readonly kind: "none" } | ({ readonly kind: "rotary" } & Rotary);

/** Attention to the nearest positions alone (Beltagy et al., 2020). */
export interface SlidingWindow {
  /** Positions that each attends to, its own and those before it: Hugging Face's `sliding_window`. */
  readonly size: number;
  /** By layer, whether it has the window. Default: all have it. */
  readonly layers?: readonly boolean[];
}

/** The configuration as the block at `layer` has it: with the window if that is for it. */
export const atLayer = (config: GptConfig, layer: number): GptConfig =>
  config.window?.layers?.[layer] === false ? { ...config, window: null } : config;

/** Which linear layers have a bias. */
export interface Biases {
  /** On queries, keys, values and the output of attention; `qkv`: on the first three, as in Qwen 2. */
  readonly attention: boolean | "qkv";
  /** On both products of the MLP. */
  readonly mlp: boolean;
  /** On the logits. */
  readonly head: boolean;
}

/** Probabilities of dropout. */
export interface Dropout {
  /** Of the embedding's output. */
  readonly embedding: number;
  /** Of attention probabilities. */
  readonly attention: number;
  /** Of the output of attention and MLP. */
  readonly residual: number;
}

/** No dropout. */
export const noDropout: Dropout = { embedding: 0, attention: 0, residual: 0 };

/** One probability for all three. */
export const uniformDropout = (rate: number): Dropout => ({
  embedding: rate,
  attention: rate,
  residual: rate,
});

/** The sizes without a default. All else has the value of GPT-2 as its default. */
export type GptSizes = Pick<GptConfig, "layerCount" | "hiddenSize" | "headCount"> &
  Partial<GptConfig>;

/** Number of tokens in GPT-2's vocabulary. */
export const GPT2_VOCABULARY = 50257;

/**
 * A complete configuration. Defaults are those of GPT-2, without dropout.
 * @throws UserError where the sizes do not fit together.
 */
export function gptConfig(sizes: GptSizes): GptConfig {
  const config: GptConfig = {
    kvHeadCount: sizes.headCount,
    headSize: sizes.hiddenSize / sizes.headCount,
    qkNorm: false,
    ffnHiddenSize: 4 * sizes.hiddenSize,
    vocabularySize: GPT2_VOCABULARY,
    maxPositions: 1024,
    dropout: noDropout,
    positions: { kind: "learned" },
    window: null,
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
  const { headCount, kvHeadCount } = config;
  checkHeadSize(config);
  for (const name of COUNTS) {
    if (!Number.isSafeInteger(config[name]) || config[name] < 1) {
      throw new UserError(`${name} is ${config[name]}, must be a whole number of at least 1`);
    }
  }
  if (headCount % kvHeadCount !== 0) {
    throw new UserError(
      `${kvHeadCount} KV heads do not divide the ${headCount} heads: choose a divisor of the number of heads`,
    );
  }
  checkPositions(config);
  checkWindow(config);
  if (config.biases.head && config.tiedEmbeddings) {
    throw new UserError(
      "a head that is tied to the token embedding has no bias: untie it, or leave the bias out",
    );
  }
  if (config.lora !== undefined) checkLora(config.lora, config.activation);
  for (const [name, rate] of Object.entries(config.dropout) as [string, number][]) {
    if (!(rate >= 0 && rate < 1)) {
      throw new UserError(`${name} dropout is ${rate}, must be at least 0 and below 1`);
    }
  }
}

function checkHeadSize({ hiddenSize, headCount, headSize }: GptConfig): void {
  if (Number.isInteger(headSize) || headSize !== hiddenSize / headCount) return;
  throw new UserError(
    `${headCount} heads do not divide the hidden size ${hiddenSize}: choose a multiple of the number of heads, ` +
      "or say how wide a head is",
  );
}

function checkWindow({ window, layerCount }: GptConfig): void {
  if (window === null) return;
  const { size, layers = [] } = window;
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new UserError(`the window is ${size}, must be a whole number of at least 1`);
  }
  if (window.layers === undefined || layers.length === layerCount) return;
  throw new UserError(`the window is said for ${layers.length} layers, must be for ${layerCount}`);
}

function checkPositions({ positions, headSize }: GptConfig): void {
  if (positions.kind !== "rotary") return;
  for (const [name, value] of Object.entries(positions.scaling ?? {}) as [string, unknown][]) {
    if (typeof value !== "number" || (value > 0 && value < Infinity)) continue;
    throw new UserError(`the scaling of rotary positions has ${name} ${value}, must be above 0`);
  }
  const dims = headSize * positions.fraction;
  if (!(dims >= 2) || positions.fraction > 1 || Math.abs(dims / 2 - Math.round(dims / 2)) > 1e-6) {
    throw new UserError(
      `the rotary fraction is ${positions.fraction} of heads of ${headSize}: ` +
        "must be an even number of elements, at least 2",
    );
  }
}

const COUNTS = [
  "layerCount",
  "hiddenSize",
  "headCount",
  "kvHeadCount",
  "headSize",
  "ffnHiddenSize",
  "vocabularySize",
  "maxPositions",
] as const;
