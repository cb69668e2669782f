// Inputs of all kinds with changes in bytes and structure: each is read to its end, or refused in a sentence.

import { mkdirSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { runAll } from "./programs/mutated/targets.js";

const at = scratchFolder("mutations");

const INPUTS = 1_000_000;

test(`of ${INPUTS} mutated inputs none crashes or hangs`, async () => {
  mkdirSync(at("series"));
  expect([...(await runAll(at("series"), INPUTS, 3)).keys()]).toHaveLength(12);
});
