// Files with bytes changed, cut off, or put in twice: each is read as a model, or refused in a sentence.

import { mkdirSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { openMutatedModels } from "./programs/mutate_models.js";

const folder = scratchFolder("fuzz")("model");
const FILES = 1_000_000;

test(`of ${FILES} mutated models none crashes, and most are refused with a UserError`, () => {
  mkdirSync(folder);
  expect(openMutatedModels(folder, FILES, 3)).toBeGreaterThan(FILES / 2);
});
