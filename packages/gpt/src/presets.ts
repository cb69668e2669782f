// Configurations by name: small ones for a laptop, GPT-2 (Radford et al., 2019), GPT-3 (Brown et al., 2020, table 2.1;
// where its head count does not divide the width, the one that gives heads of 128) and GPT-J (Wang and Komatsuzaki,
// 2021).

import { UserError } from "@tessera/config";
import { gptConfig, type GptConfig, type GptSizes } from "./config.js";

const sizes = (layerCount: number, hiddenSize: number, headCount: number): GptSizes => ({
  layerCount,
  hiddenSize,
  headCount,
});

const gpt3 = (layerCount: number, hiddenSize: number, headCount: number): GptSizes => ({
  ...sizes(layerCount, hiddenSize, headCount),
  maxPositions: 2048,
});

/** Rotary position embedding of a quarter of each head; no biases in attention, one in the head. */
const gptj = (layerCount: number, hiddenSize: number, headCount: number): GptSizes => ({
  ...sizes(layerCount, hiddenSize, headCount),
  vocabularySize: 50400,
  maxPositions: 2048,
  positions: { kind: "rotary", base: 10_000, fraction: 0.25, pairs: "neighbours" },
  parallelBlock: true,
  biases: { attention: false, mlp: true, head: true },
  tiedEmbeddings: false,
});

/** Sizes by name. */
export const PRESETS = {
  tiny: { ...sizes(2, 64, 2), maxPositions: 128 },
  small: { ...sizes(4, 128, 4), maxPositions: 128 },
  "30m": { ...sizes(6, 384, 6), maxPositions: 256 },
  gpt2: sizes(12, 768, 12),
  "gpt2-medium": sizes(24, 1024, 16),
  "gpt2-large": sizes(36, 1280, 20),
  "gpt2-xl": sizes(48, 1600, 25),
  "gptj-6b": gptj(28, 4096, 16),
  "gpt3-125m": gpt3(12, 768, 12),
  "gpt3-350m": gpt3(24, 1024, 16),
  "gpt3-760m": gpt3(24, 1536, 16),
  "gpt3-1.3b": gpt3(24, 2048, 16),
  "gpt3-2.7b": gpt3(32, 2560, 32),
  "gpt3-6.7b": gpt3(32, 4096, 32),
  "gpt3-13b": gpt3(40, 5120, 40),
  "gpt3-175b": gpt3(96, 12288, 96),
} as const satisfies Record<string, GptSizes>;

/** The name of a preset. */
export type PresetName = keyof typeof PRESETS;

/** All names of presets. */
export const presetNames = Object.keys(PRESETS) as PresetName[];

/**
 * The configuration called `name`, with `changes`.
 * @throws UserError where there is none, or where the changes do not fit.
 */
export function preset(name: string, changes: Partial<GptConfig> = {}): GptConfig {
  const known = presetNames.find((one) => one === name);
  if (known === undefined) {
    throw new UserError(`there is no model ${name}; choose one of ${presetNames.join(", ")}`);
  }
  return gptConfig({ ...PRESETS[known], ...changes });
}
