// A head goes through its tokens in chunks and slices: what it sums over all of them is the sum over parts.

import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  addN,
  concat,
  enableProdMode,
  norm,
  setBackend,
  slice,
  sub,
  tensor,
  tidy,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { call, convert, crossEntropyGradient, type FloatStorage } from "@tessera/kernels";
import { fillNormal, streamKey } from "@tessera/random";
import { isAvailable, loadNative } from "./index.js";

/** Logits of this many tokens take 200 MB, those of a part 50. */
const [TOKENS, PARTS, WIDTH, VOCABULARY] = [1000, 4, 8, 50304];

const normal = (name: string, shape: [number, number]) => {
  const values = new Float32Array(shape[0] * shape[1]);
  fillNormal(values, streamKey(5, name), 0);
  return tensor(values, shape);
};

const inputs = () => ({
  x: normal("x", [TOKENS, WIDTH]),
  table: normal("table", [VOCABULARY, WIDTH]),
  targets: tensor(
    Array.from({ length: TOKENS }, (_, i) => (i * 977) % VOCABULARY),
    [TOKENS],
    "int32",
  ),
  weights: tensor(Array.from({ length: TOKENS }, (_, i) => (i % 3) / TOKENS)),
});

function whole(storage: FloatStorage) {
  const given = inputs();
  const x = call(convert, { x: given.x }, { storage }).y;
  return call(crossEntropyGradient, { ...given, x }, {});
}

function inParts() {
  const { table, ...perToken } = inputs();
  const size = TOKENS / PARTS;
  const parts = Array.from({ length: PARTS }, (_, part) => {
    const of = <T extends Tensor>(all: T) => slice(all, part * size, size);
    const { x, targets, weights } = perToken;
    return call(
      crossEntropyGradient,
      { table, x: of(x), targets: of(targets), weights: of(weights) },
      {},
    );
  });
  return {
    loss: addN(parts.map(({ loss }) => loss)),
    dx: concat(parts.map(({ dx }) => dx)),
    dTable: addN(parts.map(({ dTable }) => dTable)),
  };
}

(isAvailable() ? describe : describe.skip)("the native head", () => {
  beforeAll(async () => {
    enableProdMode();
    loadNative(process.env);
    await setBackend("native");
  });

  test.each([
    ["fp32", 1e-5],
    ["bf16", 1e-2],
  ] as const)("sums over chunks in %s what it sums over parts in fp32", (storage, tolerance) => {
    tidy(() => {
      const [actual, expected] = [whole(storage), inParts()];
      for (const name of ["loss", "dx", "dTable"] as const) {
        const wide = call(convert, { x: actual[name] }, { storage: "fp32" }).y;
        const apart = norm(sub(wide, expected[name])).dataSync()[0]!;
        expect(apart / norm(expected[name]).dataSync()[0]!).toBeLessThan(tolerance);
      }
    });
  });
});
