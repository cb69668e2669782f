// `tessera verify` is silent about layouts in which nothing is wrong: a few of those that the soak tests draw.

import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { randomLayouts } from "../programs/random_layouts.js";
import { firstDifference } from "../programs/verify_layout.js";

const at = scratchFolder("layouts");

test.each(randomLayouts(29, 6))("%j", async (layout) => {
  expect(await firstDifference({ ...layout, folder: at("") })).toBeNull();
});
