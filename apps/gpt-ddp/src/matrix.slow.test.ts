// The whole matrix of layouts, each with one of the runs, in turn.

import { expect, test } from "@jest/globals";
import { compareLayouts, startsOf, trainAlone } from "./programs/check_matrix.js";
import { whole } from "./programs/matrix.js";

const references = trainAlone(whole);

test.each(startsOf(whole))("$ranks ranks, layouts from $from", async ({ choices }) => {
  const compared = await compareLayouts(choices, await references);
  expect(compared).toEqual(compared.map(({ name }) => ({ name, differences: {} })));
  expect(compared).toHaveLength(choices.length);
});
