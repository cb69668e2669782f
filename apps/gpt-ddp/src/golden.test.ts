// Every backend against PyTorch in float64: see fixtures/golden/README.md.

import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-wasm";
import { describe } from "@jest/globals";
import { loadNative } from "@tessera/kernels-native";
import { describeGolden, describeGoldenIn16Bits } from "./programs/golden.js";

const STEPS = 20;

// Plain JavaScript takes a second a step; each takes the same lines as the one before.
describeGolden("cpu", 4);
describeGolden("wasm", STEPS);
(loadNative(process.env) ? describe : describe.skip)("C++", () => {
  describeGolden("native", STEPS);
  describeGoldenIn16Bits("native");
});
