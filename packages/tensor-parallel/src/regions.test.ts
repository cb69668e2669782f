// A tensor-parallel or sequence-parallel model computes what an unsharded one does.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@jest/globals";
import { runThreads } from "@tessera/collectives";
import type { Comparison, ModelResult } from "./programs/regions.js";

const program = pathToFileURL(join(__dirname, "../dist/programs/regions.js"));

/** The largest difference, relative to the largest expected value. */
function relativeError(actual: readonly number[], expected: readonly number[]): number {
  expect(actual).toHaveLength(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(actual[i]! - value))) / largest;
}

/** The names of the values in which two results differ. */
function findDifferences(actual: ModelResult, expected: ModelResult): string[] {
  const entriesOf = ({ loss, evalLoss, logits, gradients }: ModelResult) =>
    Object.entries({ loss: [loss], evalLoss: [evalLoss], logits, ...gradients });
  const found = new Map(entriesOf(actual));
  expect([...found.keys()]).toEqual(entriesOf(expected).map(([name]) => name));
  return entriesOf(expected)
    .filter(([name, values]) => !(relativeError(found.get(name)!, values) < 1e-5))
    .map(([name]) => name);
}

test.each([1, 2, 3])("loss, logits and gradients on %i ranks are those of one", async (ranks) => {
  for (const {
    unsharded,
    tensorParallel,
    sequenceParallel,
    leaked,
  } of await runThreads<Comparison>({ program, ranks })) {
    expect(unsharded.evalLoss).toBeCloseTo(unsharded.loss, 4);
    expect(findDifferences(tensorParallel, unsharded)).toEqual([]);
    expect(findDifferences(sequenceParallel, unsharded)).toEqual([]);
    expect(leaked).toBe(0);
  }
});
