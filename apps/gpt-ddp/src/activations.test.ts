// Activations that a rank keeps, measured, against Korthikanti et al. (2022), table 2, adapted to kernels that
// keep less: `blockActivationBytes` says what.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@jest/globals";
import { runThreads } from "@tessera/collectives";
import { blockActivationBytes, gptConfig, type ActivationOptions } from "@tessera/gpt";
import { isAvailable } from "@tessera/kernels-native";
import type { Case } from "./programs/activations.js";

const sizes = {
  layerCount: 3,
  hiddenSize: 256,
  headCount: 8,
  vocabularySize: 300,
  maxPositions: 256,
};
const [RANKS, ROWS] = [4, 4];
const TOKENS = ROWS * sizes.maxPositions;

/** Activations of the block by table 2, in units of sbh elements: outside of products, and inside. */
const table: readonly (readonly [keeping: ActivationOptions, elements: number])[] = [
  [{ tensorParallel: 1 }, 4 + 8],
  [{ tensorParallel: RANKS }, 4 + 8 / RANKS],
  [{ tensorParallel: RANKS, sequenceParallel: true }, (4 + 8) / RANKS],
  [{ tensorParallel: RANKS, sequenceParallel: true, recompute: "attention" }, (4 + 4) / RANKS],
];

(isAvailable() ? test : test.skip).each(["fp32", "bf16"] as const)(
  "activations in %s are what the table says, within a fiftieth",
  async (storage) => {
    const bytes = storage === "fp32" ? 4 : 2;
    const cases = table.map(([keeping]): Case => ({ sizes, rows: ROWS, storage, keeping }));
    const program = pathToFileURL(join(__dirname, "../dist/programs/activations.js"));
    const measured = await runThreads<number[]>({ program, ranks: RANKS, data: cases });
    const micro = { rows: ROWS, time: sizes.maxPositions, bytes } as const;
    table.forEach(([keeping, elements], i) => {
      const { tensorParallel = 1, sequenceParallel = false } = keeping;
      // The last norm's input and output.
      const end = (2 * TOKENS * sizes.hiddenSize * bytes) / (sequenceParallel ? tensorParallel : 1);
      const formula = blockActivationBytes(gptConfig(sizes), micro, keeping);
      expect(Math.abs(formula / (TOKENS * sizes.hiddenSize * bytes * elements) - 1)).toBeLessThan(
        0.02,
      );
      for (const rank of measured) {
        const error = rank[i]! / (sizes.layerCount * formula + end) - 1;
        expect([keeping, Math.abs(error) < 0.02 ? "near" : error]).toEqual([keeping, "near"]);
      }
    });
  },
);
