// Models of every family compute on two ranks what they compute on one, however they are laid out.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { readModelConfig } from "@tessera/checkpoint";
import { scratchFolder } from "@tessera/testing";
import type { ParallelConfig } from "@tessera/trainer";
import { firstDifference } from "../programs/verify_layout.js";

const FIXTURES = join(__dirname, "../../../../fixtures/hugging-face/families");
const at = scratchFolder("families");

const layouts: readonly ParallelConfig[] = [
  { tensor: 2, sequence: true },
  { pipeline: 2 },
  { zeroStage: 3 },
];

describe.each(readdirSync(FIXTURES))("%s", (name) => {
  const gpt = readModelConfig(join(FIXTURES, name));

  test.each(layouts)("%j", async (parallel) => {
    const changes = { gpt, parallel, run: {} };
    expect(await firstDifference({ ranks: 2, changes, folder: at("") })).toBeNull();
  });
});
