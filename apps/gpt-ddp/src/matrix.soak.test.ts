// The everything matrix of layouts, each with every run.

import { expect, test } from "@jest/globals";
import { compareLayouts, trainAlone } from "./programs/check_matrix.js";
import { ranksOf, everything } from "./programs/matrix.js";

/** Layouts that one start of ranks trains: few enough to see a failure before all is done. */
const TOGETHER = 40;

const references = trainAlone(everything);

const batches = [1, 2, 4, 8].flatMap((ranks) => {
  const of = everything.filter((choice) => ranksOf(choice) === ranks);
  return Array.from({ length: Math.ceil(of.length / TOGETHER) }, (_, i) => ({
    ranks,
    from: i * TOGETHER,
    choices: of.slice(i * TOGETHER, (i + 1) * TOGETHER),
  }));
});

test.each(batches)("$ranks ranks, layouts from $from", async ({ choices }) => {
  const compared = await compareLayouts(choices, await references);
  expect(compared).toEqual(compared.map(({ name }) => ({ name, differences: {} })));
  expect(compared).toHaveLength(choices.length);
});
