// The whole matrix of layouts, each with every run.

import { expect, test } from "@jest/globals";
import { compareLayouts, startsOf, trainAlone } from "./programs/check_matrix.js";
import { everything } from "./programs/matrix.js";

const references = trainAlone(everything);

test.each(startsOf(everything))("$ranks ranks, layouts from $from", async ({ choices }) => {
  const compared = await compareLayouts(choices, await references);
  expect(compared).toEqual(compared.map(({ name }) => ({ name, differences: {} })));
  expect(compared).toHaveLength(choices.length);
});
