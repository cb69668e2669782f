// Sides of a comparison: processes of one or several ranks, which take their steps in turn, so that all
// meet the same machine.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseMpiFamily, mpirunArguments } from "@tessera/launcher";
import { medianOf } from "./median.mjs";
import { stepper } from "./stepper.mjs";

const WARM_UP = 2;

const WORKER = fileURLToPath(new URL("./worker.mjs", import.meta.url));

/** The worker, as `settings.ranks` ranks. */
export function ranksOf(settings) {
  const { ranks } = settings;
  const args = [process.execPath, WORKER];
  if (ranks === 1) return stepper(args[0], args.slice(1), settings);
  const { stdout } = spawnSync("mpirun", ["--version"], { encoding: "utf8" });
  const asRoot = process.getuid?.() === 0;
  const request = { program: args, ranks, processors: ranks, asRoot };
  const launched = mpirunArguments(parseMpiFamily(stdout ?? ""), request).filter(isPlain);
  return stepper("mpirun", launched, settings);
}

/** Lines marked with their rank are for people. */
const isPlain = (argument) => argument !== "--tag-output" && argument !== "-prepend-rank";

/** `rounds` steps of all sides in turn; what each says at the end, and its steps' median seconds. */
export async function inTurn(sides, rounds) {
  try {
    const times = sides.map(() => []);
    for (let round = 0; round < rounds + WARM_UP; round += 1) {
      for (const [i, side] of sides.entries()) {
        const { seconds } = await side.ask("step");
        if (round >= WARM_UP) times[i].push(seconds);
      }
    }
    const ends = [];
    for (const side of sides) ends.push(await side.ask("end"));
    return ends.map((end, i) => ({ ...end, seconds: medianOf(times[i]) }));
  } finally {
    for (const side of sides) side.stop();
  }
}

/**
 * The same of sides that need all cores: each runs alone, for ranks that wait to be told disturb. They
 * are started by `makers`, one after the other and then the other way around.
 */
export async function eachAlone(makers, rounds) {
  const runs = makers.map(() => []);
  for (const order of [[...makers.keys()], [...makers.keys()].reverse()]) {
    for (const i of order) runs[i].push(...(await inTurn([makers[i]()], rounds)));
  }
  return runs.map((passes) => ({
    ...passes[0],
    seconds: medianOf(passes.map(({ seconds }) => seconds)),
  }));
}
