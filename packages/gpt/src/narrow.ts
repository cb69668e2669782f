// A GPT in small, for checks of how its layers are divided over ranks.

import { gptConfig, type GptConfig } from "./config.js";

/** Enough ids for each shard of a vocabulary to have some. */
const VOCABULARY = 64;

/** Elements of a head: the more heads a model has, the fewer. */
const HEAD_SIZES = [2, 4, 8] as const;
/** About how wide a narrow model is. */
const WIDTH = 128;

/**
 * `config` with the same layers and heads, but narrow ones, and with few ids and positions. What does not divide evenly
 * over ranks, as the vocabulary, leaves the same remainder. A window is as much of the positions. Weights
 * are drawn larger by as much as there are fewer of them, so that activations are as large as in the full model.
 */
export function narrowConfig(config: GptConfig, positions: number): GptConfig {
  const { hiddenSize, headCount, ffnHiddenSize, vocabularySize, maxPositions, initStd } = config;
  const { window } = config;
  const headSize = narrowHeadSize(config);
  const width = Math.max(1, Math.round((hiddenSize * headSize) / config.headSize));
  if (width >= hiddenSize) return config;
  const shorter = Math.min(1, positions / maxPositions);
  return gptConfig({
    ...config,
    hiddenSize: width,
    headSize,
    ffnHiddenSize: headCount * Math.max(1, Math.round((ffnHiddenSize / hiddenSize) * headSize)),
    vocabularySize:
      vocabularySize < 2 * VOCABULARY ? vocabularySize : VOCABULARY + (vocabularySize % VOCABULARY),
    maxPositions: Math.min(maxPositions, positions),
    window: window && { ...window, size: Math.max(1, Math.round(window.size * shorter)) },
    initStd: initStd * Math.sqrt(hiddenSize / width),
  });
}

function narrowHeadSize({ headSize: full, headCount, positions }: GptConfig): number {
  const fraction = positions.kind === "rotary" ? positions.fraction : 1;
  const canRotate = (size: number): boolean => (size * fraction) % 2 === 0 && size * fraction >= 2;
  const fitting = HEAD_SIZES.filter((size) => size < full && canRotate(size));
  return fitting.findLast((size) => size * headCount <= WIDTH) ?? fitting[0] ?? full;
}
