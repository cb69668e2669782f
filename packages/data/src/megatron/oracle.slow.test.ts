// Bits and shuffles against numpy's, with which Megatron draws its orders.

import { expect, test } from "@jest/globals";
import { runOracle, seededRandom } from "@tessera/testing";
import { mt19937, shuffle } from "./mt19937.js";

const SCRIPT = `
import json, sys, numpy
def answer(seed, size):
    order = numpy.arange(size)
    random = numpy.random.RandomState(seed)
    random.shuffle(order)
    return {"order": order.tolist(), "bits": random.randint(0, 2**32, dtype=numpy.uint32, size=3).tolist()}
print(json.dumps([answer(*case) for case in json.load(sys.stdin)]))
`;

test("shuffles of drawn seeds and sizes are numpy's, and leave the generator where numpy's is", () => {
  const draw = seededRandom(5);
  const drawn = Array.from({ length: 60 }, () => {
    return [Math.floor(draw() * 2 ** 32), Math.floor(draw() * 3000)] as const;
  });
  const cases = [[0, 0], [0, 1], [1234, 2], [2 ** 32 - 1, 1024], [7, 300_000], ...drawn] as const;
  const expected = runOracle(["numpy==2.4.6"], SCRIPT, cases) as readonly {
    readonly order: readonly number[];
    readonly bits: readonly number[];
  }[];
  cases.forEach(([seed, size], i) => {
    const bits = mt19937(seed);
    const order = Int32Array.from({ length: size }, (_, index) => index);
    shuffle(order, bits);
    expect([...order]).toEqual(expected[i]!.order);
    expect([bits(), bits(), bits()]).toEqual(expected[i]!.bits);
  });
});
