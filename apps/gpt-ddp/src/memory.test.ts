// The memory of a rank, measured over a step at 30M parameters, follows the ZeRO stage. More ranks: in the slow tests.

import { beforeAll, describe, expect, test } from "@jest/globals";
import { isAvailable as isMpiAvailable } from "@tessera/collectives-mpi";
import { isAvailable as isNativeAvailable } from "@tessera/kernels-native";
import { computePeak, measurePeaks, stages } from "./programs/rank_peaks.js";

(isMpiAvailable() && isNativeAvailable() ? describe : describe.skip).each([1, 2])(
  "%i ranks: within a tenth of weights, gradients, moments and activations",
  (ranks) => {
    let peaks: number[][];
    beforeAll(() => {
      peaks = measurePeaks(ranks);
    });

    test.each(stages)("ZeRO %i", (stage) => {
      const expected = computePeak(stage, ranks);
      for (const ofRank of peaks) {
        expect(ofRank[stage]! / expected).toBeGreaterThan(0.9);
        expect(ofRank[stage]! / expected).toBeLessThan(1.1);
      }
    });
  },
);
