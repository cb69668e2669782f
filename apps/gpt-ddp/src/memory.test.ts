// The memory of a rank, measured over a step at 30M parameters, follows the ZeRO stage. More ranks: in the slow tests.

import { beforeAll, describe, expect, test } from "@jest/globals";
import { isAvailable as isMpiAvailable } from "@tessera/collectives-mpi";
import { isAvailable as isNativeAvailable } from "@tessera/kernels-native";
import { computePeak, measurePeaks, stages } from "./programs/rank_peaks.js";

(isMpiAvailable() && isNativeAvailable() ? describe : describe.skip).each([
  [1, "all parameters", false],
  [2, "all parameters", false],
  [2, "adapters", true],
])(
  "%i ranks, training %s: within a tenth of weights, gradients, moments and activations",
  (ranks, _what, isAdapted) => {
    let peaks: number[][];
    beforeAll(() => {
      peaks = measurePeaks(ranks, isAdapted);
    });

    test("adapters take less than half of what all parameters do", () => {
      const [full] = stages.map((stage) => computePeak(stage, ranks));
      for (const [ofRank] of peaks) expect(ofRank! < 0.5 * full!).toBe(isAdapted);
    });

    test.each(stages)("ZeRO %i", (stage) => {
      const expected = computePeak(stage, ranks, isAdapted);
      for (const ofRank of peaks) {
        expect(ofRank[stage]! / expected).toBeGreaterThan(0.9);
        expect(ofRank[stage]! / expected).toBeLessThan(1.1);
      }
    });
  },
);
