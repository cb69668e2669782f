// A larger part of the matrix of layouts, each with one of the runs: those with ZeRO 2 and 3, which shard more.

import { expect, test } from "@jest/globals";
import { compareLayouts, startsOf, trainAlone } from "./programs/check_matrix.js";
import { larger } from "./programs/matrix.js";

const choices = larger.filter(({ zero }) => zero > 1);
const references = trainAlone(choices);

test.each(startsOf(choices))("$ranks ranks, layouts from $from", async ({ choices: of }) => {
  const compared = await compareLayouts(of, await references);
  expect(compared).toEqual(compared.map(({ name }) => ({ name, differences: {} })));
  expect(compared).toHaveLength(of.length);
});
