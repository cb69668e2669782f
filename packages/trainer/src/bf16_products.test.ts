// Who may choose what products of bf16 compute in.

import { expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { setBackend } from "@tensorflow/tfjs-core";
import { singleWorld } from "@tessera/collectives";
import { chooseBf16Products } from "./bf16_products.js";
import { resolvePrecision, type PrecisionConfig } from "./index.js";

test("a backend that has no choice refuses to be asked for one", async () => {
  await setBackend("cpu");
  const choose = (precision: PrecisionConfig) => chooseBf16Products(singleWorld(), precision);
  expect(choose({ storage: "bf16" })).toEqual({ settings: {}, notes: [] });
  expect(() => choose({ storage: "bf16", products: "fp32" })).toThrow("needs --backend native");
});

test("flags choose products of bf16 only where there are some", () => {
  const flags = {
    fp16: false,
    initialLossScale: 1,
    minLossScale: 1,
    lossScaleWindow: 1,
    hysteresis: 1,
  };
  const precisionOf = (bf16: boolean, bf16Products: "auto" | "bf16" | "fp32") =>
    resolvePrecision({ ...flags, bf16, bf16Products });
  expect(precisionOf(true, "auto")).toEqual({ storage: "bf16" });
  expect(precisionOf(true, "fp32")).toEqual({ storage: "bf16", products: "fp32" });
  expect(precisionOf(false, "auto")).toEqual({ storage: "fp32" });
  expect(() => precisionOf(false, "bf16")).toThrow("without --bf16");
});
