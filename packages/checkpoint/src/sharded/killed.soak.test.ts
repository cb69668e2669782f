// The full series of jobs that are killed while they save.

import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { killRanks } from "../programs/kill_ranks.js";

const folder = scratchFolder("killed")("run");
const KILLS = 500;

test(`ranks killed at ${KILLS} moments: the last complete checkpoint loads, and all visible ones are complete`, async () => {
  expect(await killRanks(folder, KILLS, 3)).toBeGreaterThanOrEqual(KILLS);
});
