// A series of programs that are killed, as tests of two tiers run it.

import { expect, test } from "@jest/globals";
import { isAvailable } from "@tessera/collectives-mpi";
import { scratchFolder } from "@tessera/testing";
import { killSeries } from "./kill_series.js";

/** Programs are killed while they train, save, export, preprocess and build indices, at moments that `seed` draws. */
export function testKilled(kills: number, seed: number): void {
  const folder = scratchFolder("killed")("series");
  (isAvailable() ? test : test.skip)(
    `killed at ${kills} moments: losses continue to the bit, and nothing is left`,
    async () => {
      const say = (text: string): void => void process.stdout.write(`${text}\n`);
      const killed = await killSeries(folder, { kills, seed, say });
      say(JSON.stringify(killed));
      expect(Object.values(killed).reduce((a, b) => a + b, 0)).toBe(kills);
    },
  );
}
