// A GPT's configuration as JSON. Keys are those of the first version, so that all checkpoints can be read.

import { UserError } from "@tessera/config";
import { describeIssue } from "@tessera/config/issues";
import { projections } from "@tessera/layers/lora";
import * as v from "valibot";
import { gptConfig, type GptConfig } from "./config.js";

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(2 ** 31));
const rate = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));

const Scaling = v.variant("kind", [
  v.object({ kind: v.literal("linear"), factor: positive }),
  v.object({
    kind: v.literal("llama3"),
    factor: positive,
    lowFrequencyFactor: positive,
    highFrequencyFactor: positive,
    originalPositions: size,
  }),
  v.object({
    kind: v.literal("yarn"),
    factor: positive,
    originalPositions: size,
    betaFast: positive,
    betaSlow: positive,
    truncate: v.boolean(),
    magnitude: positive,
  }),
]);

const Positions = v.variant("kind", [
  v.object({ kind: v.picklist(["learned", "none"]) }),
  v.object({
    kind: v.literal("rotary"),
    base: positive,
    share: rate,
    pairs: v.picklist(["halves", "neighbours"]),
    scaling: v.exactOptional(Scaling),
  }),
]);

const SavedConfig = v.object({
  layerCount: v.pipe(size, v.maxValue(10_000)),
  hiddenSize: size,
  headCount: size,
  keyHeadCount: size,
  // Absent in the first versions, whose heads divide the hidden size.
  headSize: v.exactOptional(size),
  qkNorm: v.exactOptional(v.boolean()),
  innerSize: size,
  vocabularySize: size,
  maxPositions: size,
  dropout: v.object({ embedding: rate, attention: rate, residual: rate }),
  positions: Positions,
  window: v.exactOptional(
    v.nullable(
      v.object({
        size,
        layers: v.exactOptional(v.pipe(v.array(v.boolean()), v.maxLength(10_000), v.readonly())),
      }),
    ),
  ),
  activation: v.picklist(["gelu", "gelu_erf", "swiglu"]),
  norm: v.picklist(["layer", "rms"]),
  normEpsilon: positive,
  parallelBlock: v.union([v.boolean(), v.literal("separate norms")]),
  biases: v.object({
    attention: v.union([v.boolean(), v.literal("qkv")]),
    mlp: v.boolean(),
    head: v.boolean(),
  }),
  tiedEmbeddings: v.boolean(),
  initDeviation: v.number(),
  lora: v.exactOptional(
    v.object({
      rank: size,
      alpha: positive,
      rankStabilized: v.boolean(),
      dropout: rate,
      targets: v.pipe(v.array(v.picklist(projections)), v.readonly()),
    }),
  ),
});

/** A configuration under its serialized keys. */
export type SavedConfig = v.InferOutput<typeof SavedConfig>;

/** The configuration as checkpoints record it. */
export function saveConfig(config: GptConfig): SavedConfig {
  const { kvHeadCount, ffnHiddenSize, initStd, positions, ...same } = config;
  return {
    ...same,
    keyHeadCount: kvHeadCount,
    innerSize: ffnHiddenSize,
    positions: savePositions(positions),
    initDeviation: initStd,
  };
}

type SavedPositions = v.InferOutput<typeof Positions>;

function savePositions(positions: GptConfig["positions"]): SavedPositions {
  if (positions.kind !== "rotary") return positions;
  const { fraction: share, ...rotary } = positions;
  return { ...rotary, share };
}

function readPositions(positions: SavedPositions): GptConfig["positions"] {
  if (positions.kind !== "rotary") return positions;
  const { share: fraction, ...rotary } = positions;
  return { ...rotary, fraction };
}

/**
 * The inverse of `saveConfig`.
 * @throws UserError that names `where` and the invalid key.
 */
export function parseConfig(json: unknown, where: string): GptConfig {
  const parsed = v.safeParse(SavedConfig, json, { abortEarly: true });
  if (!parsed.success) {
    throw new UserError(`${where}: config.${describeIssue(parsed.issues)}`);
  }
  const { keyHeadCount, innerSize, initDeviation, positions, ...same } = parsed.output;
  // Annotated, so that a field which is not saved does not compile.
  const config: GptConfig = {
    ...same,
    kvHeadCount: keyHeadCount,
    headSize: same.headSize ?? same.hiddenSize / same.headCount,
    qkNorm: same.qkNorm ?? false,
    ffnHiddenSize: innerSize,
    positions: readPositions(positions),
    window: same.window ?? null,
    initStd: initDeviation,
  };
  return gptConfig(config);
}
