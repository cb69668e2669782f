// `tessera verify` is silent about layouts in which nothing is wrong.

import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { randomLayouts } from "../programs/random_layouts.js";
import { firstDifference } from "../programs/verify_layout.js";

const at = scratchFolder("layouts");

test.each(randomLayouts(13, 200))("%j", async (layout) => {
  expect(await firstDifference({ ...layout, folder: at("") })).toBeNull();
});
