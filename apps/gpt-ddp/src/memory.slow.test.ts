// The memory of each of four ranks, measured over a step at 30M parameters, follows the ZeRO stage.

import { expect, test } from "@jest/globals";
import { isAvailable as isMpiAvailable } from "@tessera/collectives-mpi";
import { isAvailable as isNativeAvailable } from "@tessera/kernels-native";
import { computePeak, measurePeaks, stages } from "./programs/rank_peaks.js";

const RANKS = 4;

(isMpiAvailable() && isNativeAvailable() ? test : test.skip)(
  "within a tenth of weights, gradients, moments and activations",
  () => {
    for (const ofRank of measurePeaks(RANKS)) {
      for (const stage of stages) {
        expect(ofRank[stage]! / computePeak(stage, RANKS)).toBeGreaterThan(0.9);
        expect(ofRank[stage]! / computePeak(stage, RANKS)).toBeLessThan(1.1);
      }
    }
  },
);
