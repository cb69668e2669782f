// Files with bytes changed, cut off or duplicated: each is read as a model, or refused with a UserError.

import { mkdirSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { openMutatedModels } from "./programs/mutate_models.js";

const folder = scratchFolder("fuzz")("model");
const FILES = 1_500;

test(`of ${FILES} mutated models none crashes, and most are refused with a UserError`, () => {
  mkdirSync(folder);
  expect(openMutatedModels(folder, FILES, 1)).toBeGreaterThan(FILES / 2);
});
