// `tessera verify` finds faults of layouts that are planted in a built file, and names where they show first.

import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { layoutFaults } from "../programs/planted_faults.js";
import { firstDifference } from "../programs/verify_layout.js";

const at = scratchFolder("planted");

test("there are at least twenty", () => {
  expect(layoutFaults.length).toBeGreaterThanOrEqual(20);
});

test.each(layoutFaults)("finds that $name", async ({ name: _, seen, ranks, changes, ...fault }) => {
  expect(await firstDifference({ ranks, changes, fault, folder: at("") })).toMatch(seen);
});
