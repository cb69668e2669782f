// Many programs that are killed while they train, save, export, preprocess and build indices.

import { expect, test } from "@jest/globals";
import { isAvailable } from "@tessera/collectives-mpi";
import { scratchFolder } from "@tessera/testing";
import { killSeries } from "./programs/kill_series.js";

const folder = scratchFolder("killed")("series");
const KILLS = 100;

(isAvailable() ? test : test.skip)(
  `killed at ${KILLS} moments: losses continue to the bit, and nothing is left`,
  async () => {
    const say = (text: string): void => void process.stdout.write(`${text}\n`);
    const killed = await killSeries(folder, {
      kills: KILLS,
      seed: 2,
      say,
    });
    say(JSON.stringify(killed));
    expect(Object.values(killed).reduce((a, b) => a + b, 0)).toBe(KILLS);
  },
);
