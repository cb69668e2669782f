// A model whose ranks share its products, its vocabulary, and perhaps its tokens, is the model of one rank.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@jest/globals";
import { runThreads } from "@tessera/collectives";
import type { Compared, Taken } from "./programs/regions.js";

const program = pathToFileURL(join(__dirname, "../dist/programs/regions.js"));

/** How far `actual` is from `expected`, beside the largest of it. */
function apart(actual: readonly number[], expected: readonly number[]): number {
  expect(actual).toHaveLength(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(actual[i]! - value))) / largest;
}

/** What of a run is not as it is on one rank. */
function differences(actual: Taken, expected: Taken): string[] {
  const parts = ({ loss, evaluated, logits, gradients }: Taken) =>
    Object.entries({ loss: [loss], evaluated: [evaluated], logits, ...gradients });
  const found = new Map(parts(actual));
  expect([...found.keys()]).toEqual(parts(expected).map(([name]) => name));
  return parts(expected)
    .filter(([name, values]) => !(apart(found.get(name)!, values) < 1e-5))
    .map(([name]) => name);
}

test.each([1, 2, 3])("%i ranks make the loss, logits and gradients of one", async (ranks) => {
  for (const { whole, split, splitTokens, leaked } of await runThreads<Compared>({
    program,
    ranks,
  })) {
    expect(whole.evaluated).toBeCloseTo(whole.loss, 4);
    expect(differences(split, whole)).toEqual([]);
    expect(differences(splitTokens, whole)).toEqual([]);
    expect(leaked).toBe(0);
  }
});
