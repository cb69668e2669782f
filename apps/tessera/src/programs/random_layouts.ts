// Layouts, models and settings drawn at random, of those that a run may have.

import type { GptConfig } from "@tessera/gpt";
import { scheduleKinds } from "@tessera/pipeline-parallel";
import type { RunConfig, ZeroStage } from "@tessera/trainer";
import type { Changes } from "./described_run.js";

/** A run, and the ranks that it has. */
export interface RandomLayout {
  readonly ranks: number;
  readonly changes: Changes;
}

const llama = {
  positions: {
    kind: "rotary",
    base: 10_000,
    fraction: 1,
    pairs: "halves",
    scaling: {
      kind: "llama3",
      factor: 8,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalPositions: 16,
    },
  },
  activation: "swiglu",
  norm: "rms",
  kvHeadCount: 2,
  headSize: 6,
  qkNorm: true,
  biases: { attention: "qkv", mlp: false, head: false },
  tiedEmbeddings: false,
} as const;
const gptj = {
  positions: { kind: "rotary", base: 10_000, fraction: 0.25, pairs: "neighbours" },
  parallelBlock: true,
  biases: { attention: false, mlp: true, head: true },
  tiedEmbeddings: false,
} as const;

const neox = {
  positions: { kind: "rotary", base: 10_000, fraction: 0.25, pairs: "halves" },
  activation: "gelu_erf",
  parallelBlock: "separate norms",
  tiedEmbeddings: false,
} as const;

const models: readonly Partial<GptConfig>[] = [{}, { vocabularySize: 50_257 }, llama, gptj, neox];
const recomputations: readonly RunConfig["recompute"][] = [
  undefined,
  "attention",
  { kind: "uniform", layers: 2 },
  { kind: "block", layers: 1 },
];
const STAGES: readonly ZeroStage[] = [0, 1, 2, 3];

/** Numbers from 0 to 1 (Marsaglia's xorshift of 32 bits). */
function randomNumbers(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

/** `count` layouts, the same for the same seed, which is not 0. */
export function randomLayouts(seed: number, count: number): readonly RandomLayout[] {
  const random = randomNumbers(seed);
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;
  const divisor = (of: number, most: number): number =>
    pick([1, 2, 4].filter((degree) => degree <= most && of % degree === 0));
  return Array.from({ length: count }, (): RandomLayout => {
    const ranks = pick([2, 4, 8]);
    const tensor = divisor(ranks, 4);
    const pipeline = divisor(ranks / tensor, 4);
    const schedule = pipeline > 1 ? pick(scheduleKinds) : "1f1b";
    const storage = pick(["fp32", "fp32", "bf16", "fp16"] as const);
    const recompute = pick(recomputations);
    return {
      ranks,
      changes: {
        gpt: { ...pick(models), layerCount: 8 },
        parallel: {
          tensor,
          pipeline,
          schedule,
          chunks: schedule === "interleaved" ? 2 : 1,
          sequence: tensor > 1 && pick([true, false]),
          zeroStage: ranks > tensor * pipeline ? pick(STAGES) : 0,
        },
        run: {
          batch: { micro: pick([1, 2]), accumulation: pipeline * pick([1, 2]) },
          optimizer: pick([
            { kind: "adamw", weightDecay: 0.1 },
            { kind: "adam", weightDecay: 0.01 },
            { kind: "sgd", momentum: 0.9, weightDecay: 0.1 },
          ] as const),
          precision: { storage },
          clipNorm: pick([0, 1]),
          seed: Math.floor(1e6 * random()),
          ...(recompute !== undefined && { recompute }),
        },
      },
    };
  });
}
