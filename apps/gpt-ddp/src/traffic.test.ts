// What tensor-parallel ranks send each other in a step, counted where it goes, against plain arithmetic
// (Shoeybi et al., 2019; Korthikanti et al., 2022).

import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { readModelConfig } from "@tessera/checkpoint";
import { EXACT_SUM_BYTES } from "@tessera/kernels/contract";
import type { CallKind } from "@tessera/collectives";
import type { Layout, Trained } from "./programs/layouts.js";
import { runLayouts } from "./programs/run_layouts.js";

const config = readModelConfig(join(__dirname, "../../../fixtures/golden"));
const { layerCount: layers, hiddenSize: hidden, maxPositions } = config;
const [ROWS, TIME, MICRO_BATCHES] = [32, 32, 2];

/** Bytes of the activations of a micro-batch, in fp32. */
const ACTIVATIONS = (ROWS / MICRO_BATCHES) * TIME * hidden * 4;

const STEP = { stage: 0, dropout: 0, steps: 1, bucketBytes: 0, rows: ROWS } as const;

const inStep = ({ traffic: [before, after] }: Trained, kind: CallKind) => ({
  calls: after!.calls[kind] - before!.calls[kind],
  bytes: after!.bytes[kind] - before!.bytes[kind],
});

/** One sum that completes gradients, of so many elements, and an exact one of the squares of all gradients. */
const completing = (elements: number) => ({ calls: 2, bytes: 4 * (elements + EXACT_SUM_BYTES) });

/** Three numbers a token that the head tells of logits, which fit one chunk here. */
const FIGURES = 3 * (ROWS / MICRO_BATCHES) * TIME * 4;

/** Biases behind sums, which each rank holds whole: two of each layer. */
const BIASES = 2 * layers * hidden;

const layouts = {
  plain: {},
  parallelBlock: { changes: { parallelBlock: true } },
  sequence: { sequence: true },
} as const satisfies Record<string, Partial<Layout>>;

describe.each([2, 4])("%i tensor-parallel ranks", (ranks) => {
  const trained = runLayouts(
    ranks,
    Object.values(layouts).map((changes): Layout => {
      return { ...STEP, accumulation: MICRO_BATCHES, tensor: ranks, ...changes };
    }),
  );
  /** What each rank says of one of the layouts. */
  const run = async (name: keyof typeof layouts): Promise<Trained[]> =>
    (await trained).map((rank) => rank[Object.keys(layouts).indexOf(name)]!);

  test("reduce four times a layer, and once at either end", async () => {
    const sums = MICRO_BATCHES * (4 * layers + 2);
    const completed = completing(BIASES);
    for (const rank of await run("plain")) {
      expect(inStep(rank, "allReduce")).toEqual({
        calls: sums + completed.calls,
        bytes: sums * ACTIVATIONS + completed.bytes,
      });
      expect(inStep(rank, "allGather")).toEqual({
        calls: MICRO_BATCHES,
        bytes: MICRO_BATCHES * FIGURES,
      });
      expect(inStep(rank, "reduceScatter").calls).toBe(0);
    }
  });

  test("reduce half as often where attention and MLP stand side by side", async () => {
    const sums = MICRO_BATCHES * (2 * layers + 2);
    const completed = completing(BIASES);
    for (const rank of await run("parallelBlock")) {
      expect(inStep(rank, "allReduce")).toEqual({
        calls: sums + completed.calls,
        bytes: sums * ACTIVATIONS + completed.bytes,
      });
    }
  });

  test("scatter and gather in place of that with tokens sharded, and gather inputs again", async () => {
    const scattered = MICRO_BATCHES * (4 * layers + 2);
    const gathered = MICRO_BATCHES * (6 * layers + 2);
    // Norms, biases and positions see a rank's tokens alone.
    const completed = completing(BIASES + (4 * layers + 2 + maxPositions) * hidden);
    for (const rank of await run("sequence")) {
      expect(inStep(rank, "allReduce")).toEqual(completed);
      expect(inStep(rank, "reduceScatter")).toEqual({
        calls: scattered,
        bytes: scattered * ACTIVATIONS,
      });
      expect(inStep(rank, "allGather")).toEqual({
        calls: gathered + MICRO_BATCHES,
        bytes: (gathered * ACTIVATIONS) / ranks + MICRO_BATCHES * FIGURES,
      });
    }
  });
});
