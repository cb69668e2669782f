// What the training suites train: a model's sizes, and the rows and tokens of a step.

/** @typedef {{ layers: number, width: number, heads: number, vocabulary: number, positions: number }} Sizes */
/** @typedef {{ name: string, batch: number, time: number, model: Sizes }} Case */

/** @type {Case} */
export const gpt2 = {
  name: "gpt2-124M",
  batch: 2,
  time: 512,
  model: { layers: 12, width: 768, heads: 12, vocabulary: 50257, positions: 1024 },
};

/** @type {Case} */
export const small = {
  name: "gpt-30M",
  batch: 8,
  time: 256,
  model: { layers: 6, width: 384, heads: 6, vocabulary: 50304, positions: 1024 },
};

/** @type {Case} */
const long = {
  name: "gpt2-124M-4k",
  batch: 1,
  time: 4096,
  model: { ...gpt2.model, positions: 4096 },
};

/** @type {Case} */
const xl = {
  name: "gpt2-1.5B",
  batch: 1,
  time: 1024,
  model: { layers: 48, width: 1600, heads: 25, vocabulary: 50257, positions: 1024 },
};

/** What a suite trains unless cases are named. */
export const usualCases = [gpt2, small];

export const cases = [...usualCases, long, xl];

export const caseNames = cases.map(({ name }) => name);

/** ZeRO's stages by the words of a flag. */
export const STAGES = /** @type {const} */ ({ 0: 0, 1: 1, 2: 2, 3: 3 });

/** @param {string} name */
export const caseNamed = (name) => cases.find((one) => one.name === name) ?? gpt2;
