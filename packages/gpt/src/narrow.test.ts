import { expect, test } from "@jest/globals";
import { gptConfig } from "./index.js";
import { narrowConfig } from "./narrow.js";

const LLAMA = {
  positions: { kind: "rotary", base: 10_000, fraction: 1, pairs: "halves" },
  activation: "swiglu",
  ffnHiddenSize: 11_008,
} as const;
const GPTJ = {
  positions: { kind: "rotary", base: 10_000, fraction: 0.25, pairs: "neighbours" },
} as const;

test("a window is as much of the positions as it was", () => {
  const sizes = { layerCount: 2, hiddenSize: 4096, headCount: 32, maxPositions: 1024 };
  const window = { size: 256, layers: [true, false] };
  expect(narrowConfig(gptConfig({ ...sizes, window }), 32).window).toEqual({ ...window, size: 8 });
});

test.each([
  ["1.4b", { layerCount: 24, hiddenSize: 2064, headCount: 24 }, 96],
  ["1t", { layerCount: 128, hiddenSize: 25_600, headCount: 128 }, 256],
  ["Llama", { layerCount: 32, hiddenSize: 4096, headCount: 32, ...LLAMA }, 128],
  ["GPT-J", { layerCount: 28, hiddenSize: 4096, headCount: 16, ...GPTJ }, 128],
  ["what is narrow already", { layerCount: 2, hiddenSize: 16, headCount: 8 }, 16],
])("%s keeps layers and heads, and every rank's part of them", (_name, sizes, width) => {
  const config = gptConfig(sizes);
  const narrow = narrowConfig(config, 32);
  expect(narrow).toMatchObject({
    ...sizes,
    hiddenSize: width,
    ffnHiddenSize: narrow.ffnHiddenSize,
  });
  expect(narrow.ffnHiddenSize % narrow.headCount).toBe(0);
  expect(narrow.vocabularySize % 64).toBe(config.vocabularySize % 64);
  expect(narrow.initStd ** 2 * narrow.hiddenSize).toBeCloseTo(
    config.initStd ** 2 * config.hiddenSize,
  );
});
