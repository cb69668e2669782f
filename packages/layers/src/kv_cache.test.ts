/** @jest-environment ../../jest.environment.mjs */

// A KV cache attends as attention to the whole sequence does, and one of a window takes no more memory as it goes on.

import { beforeAll, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import {
  dispose,
  memory,
  randomNormal,
  setBackend,
  slice,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { call, causalAttention } from "@tessera/kernels";
import { createKvCache } from "./cache.js";

const [HEADS, GROUPS, DEPTH] = [4, 2, 3] as const;
/** A long prompt, and tokens one by one or some at once. */
const PARTS = [150, 1, 1, 70, 1, 3];
const LENGTH = PARTS.reduce((sum, part) => sum + part, 0);

beforeAll(() => setBackend("cpu"));

const values = (x: Tensor): Float32Array => x.dataSync<"float32">();

/** y of the last part, and the bytes that the cache holds. */
function attendInParts(query: Tensor, keyValue: Tensor, window: number) {
  const cache = createKvCache(1, LENGTH);
  const before = memory().numBytes;
  let length = 0;
  let y: Tensor | null = null;
  for (const part of PARTS) {
    const inputs = [query, keyValue].map((x) =>
      slice(x, [0, length], [1, part, ...x.shape.slice(2)]),
    ) as [Tensor, Tensor];
    if (y !== null) dispose(y);
    const attended = cache.view(0, [length]).attend("layer", ...inputs, { scale: 0.5, window });
    y = attended.y;
    dispose([...inputs, attended.logSumExp]);
    length += part;
  }
  const last = values(y!);
  dispose(y!);
  const bytes = memory().numBytes - before;
  cache.dispose();
  return { last, bytes };
}

test.each([1, 7, 100, 1000, Infinity])("a window of %s is that of all tokens at once", (window) => {
  const query = randomNormal([1, LENGTH, HEADS, DEPTH], 0, 1, "float32", 1);
  const keyValue = randomNormal([1, LENGTH, 2, GROUPS, DEPTH], 0, 1, "float32", 2);
  const unused = { shape: [], start: [], size: [], key: [], rate: 0 };
  const whole = call(causalAttention, { query, keyValue }, { ...unused, scale: 0.5, window });
  const { last, bytes } = attendInParts(query, keyValue, window);
  const expected = values(whole.y).slice(-last.length);
  expected.forEach((x, i) => expect(Math.abs(x - last[i]!)).toBeLessThan(1e-5));
  const held = Math.min(LENGTH, window + 63);
  expect(bytes).toBe(2 * GROUPS * held * DEPTH * 4);
  dispose([query, keyValue, whole.y, whole.logSumExp]);
});
