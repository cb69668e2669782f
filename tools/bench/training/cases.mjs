// What the training suite trains: a model's sizes, and the rows and tokens of a step.

export const cases = [
  {
    name: "gpt2-124M",
    batch: 2,
    time: 512,
    model: { layers: 12, width: 768, heads: 12, vocabulary: 50257, positions: 1024 },
  },
  {
    name: "gpt-30M",
    batch: 8,
    time: 256,
    model: { layers: 6, width: 384, heads: 6, vocabulary: 50304, positions: 1024 },
  },
];
