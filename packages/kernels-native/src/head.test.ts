// A head goes through its tokens in chunks: what it sums over all of them is the sum over parts. Logits may lie
// far from that of the target, which exponentials are relative to.

import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  addN,
  concat,
  enableProdMode,
  fill,
  norm,
  setBackend,
  slice,
  sub,
  tensor,
  tidy,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { call, convert, crossEntropyGradient, crossEntropyInputGradient } from "@tessera/kernels";
import { exponentialBytes, type FloatStorage } from "@tessera/kernels/memory";
import { fillNormal, streamKey } from "@tessera/random";
import { isAvailable, loadNative } from "./index.js";

/** Exponentials of this many tokens take 640 MB in fp32, those of a part 160. A chunk takes 310 at most. */
const [TOKENS, PARTS, WIDTH, VOCABULARY] = [3200, 4, 8, 50304];

const LIMIT = { exponentialBytes: exponentialBytes({ width: WIDTH, vocabulary: VOCABULARY }) };

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
  return call(crossEntropyGradient, { ...given, x }, LIMIT);
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
      LIMIT,
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

  const far = [
    ["above the target's", 0],
    ["below the target's", 2],
  ] as const;

  test.each(far)("is exact where logits lie far %s", (_, target) => {
    tidy(() => {
      const given = {
        x: tensor([[1, 0]]),
        table: tensor([
          [-150, 1],
          [150, 2],
          [150, 3],
          [0, 4],
        ]),
        targets: tensor([target], [1], "int32"),
        weights: tensor([0.5]),
      };
      const { loss, dx, dTable } = call(crossEntropyGradient, given, LIMIT);
      // Two logits are 150 and share all probability.
      const known = target === 0 ? -150 : 150;
      expect(loss.dataSync()[0]).toBeCloseTo(0.5 * (150 + Math.LN2 - known), 4);
      const errors = [0, 0.5, 0.5, 0].map((p, i) => 0.5 * (p - (i === target ? 1 : 0)));
      const expected = [-150 * errors[0]! + 150 * (errors[1]! + errors[2]!), 0];
      for (const [i, error] of errors.entries()) expected[1]! += error * (i + 1);
      for (const [i, value] of dx.dataSync().entries()) expect(value).toBeCloseTo(expected[i]!, 4);
      const rows = errors.flatMap((error) => [error, 0]);
      for (const [i, value] of dTable.dataSync().entries()) expect(value).toBeCloseTo(rows[i]!, 6);
    });
  });

  test.each(["fp32", "bf16"] as const)(
    "without the table's gradient has the same bits, in %s",
    (storage) => {
      tidy(() => {
        const { dTable: _dTable, ...expected } = whole(storage);
        const given = inputs();
        const x = call(convert, { x: given.x }, { storage }).y;
        const { loss, dx } = call(crossEntropyInputGradient, { ...given, x }, LIMIT);
        expect(loss.dataSync()).toEqual(expected.loss.dataSync());
        expect(dx.dataSync()).toEqual(expected.dx.dataSync());
      });
    },
  );

  test("of logits that are not numbers is not a number", () => {
    tidy(() => {
      const given = inputs();
      const x = fill([TOKENS, WIDTH], NaN);
      const { loss, dx } = call(crossEntropyGradient, { ...given, x }, LIMIT);
      expect(loss.dataSync()[0]).toBeNaN();
      expect(dx.dataSync().every(Number.isNaN)).toBe(true);
    });
  });
});
