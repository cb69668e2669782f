// How a GPT's configuration is saved: under the keys of the first version, so that every version reads it.

import type { GptConfig } from "@tessera/gpt";
import * as v from "valibot";
import { layers, positive, rate, size } from "./hugging_face/layout.js";

const Positions = v.variant("kind", [
  v.object({ kind: v.picklist(["learned", "none"]) }),
  v.object({
    kind: v.literal("rotary"),
    base: positive,
    share: rate,
    pairs: v.picklist(["halves", "neighbours"]),
  }),
]);

/** A configuration as JSON. */
export const SavedConfig = v.object({
  layerCount: layers,
  hiddenSize: size,
  headCount: size,
  keyHeadCount: size,
  innerSize: size,
  vocabularySize: size,
  maxPositions: size,
  dropout: v.object({ embedding: rate, attention: rate, residual: rate }),
  positions: Positions,
  activation: v.picklist(["gelu", "swiglu"]),
  norm: v.picklist(["layer", "rms"]),
  normEpsilon: positive,
  parallelBlock: v.boolean(),
  biases: v.object({ attention: v.boolean(), mlp: v.boolean(), head: v.boolean() }),
  tiedEmbeddings: v.boolean(),
  initDeviation: v.number(),
});

export type SavedConfig = v.InferOutput<typeof SavedConfig>;

export function toSavedConfig(config: GptConfig): SavedConfig {
  const { kvHeadCount, ffnHiddenSize, initStd, positions, ...same } = config;
  return {
    ...same,
    keyHeadCount: kvHeadCount,
    innerSize: ffnHiddenSize,
    positions:
      positions.kind === "rotary"
        ? { kind: "rotary", base: positions.base, share: positions.fraction, pairs: positions.pairs }
        : { kind: positions.kind },
    initDeviation: initStd,
  };
}

export function fromSavedConfig(saved: SavedConfig): GptConfig {
  const { keyHeadCount, innerSize, initDeviation, positions, ...same } = saved;
  return {
    ...same,
    kvHeadCount: keyHeadCount,
    ffnHiddenSize: innerSize,
    positions:
      positions.kind === "rotary"
        ? { kind: "rotary", base: positions.base, fraction: positions.share, pairs: positions.pairs }
        : { kind: positions.kind },
    initStd: initDeviation,
  };
}
