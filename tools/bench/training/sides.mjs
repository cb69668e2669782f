// Sides of a comparison: processes of one or several ranks. Their steps are interleaved, so that whatever
// else the machine does falls on all of them.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { UserError } from "@tessera/config";
import { mpirunArguments, parseMpiFamily } from "@tessera/launcher";
import { medianOf } from "../shared/median.mjs";
import { startStepper } from "./stepper.mjs";

/** @typedef {import("./stepper.mjs").Settings} Settings */
/** @typedef {import("./stepper.mjs").Stepper} Stepper */
/** @typedef {import("./stepper.mjs").End & { seconds: number }} Measured A side's end, and its median step. */

const WARM_UP = 2;

/** @param {string} name */
const script = (name) => fileURLToPath(new URL(name, import.meta.url));

/**
 * Our trainer, as `settings.ranks` ranks. Default: 1.
 * @param {Settings} settings
 */
export function startOurs(settings) {
  const { ranks = 1 } = settings;
  const program = [process.execPath, script("worker.mjs")];
  if (ranks === 1) return startStepper(process.execPath, program.slice(1), settings);
  const { stdout } = spawnSync("mpirun", ["--version"], { encoding: "utf8" });
  const family = parseMpiFamily(stdout ?? "");
  if (family === null) throw new Error("mpirun is missing, or of an unknown MPI");
  const asRoot = process.getuid?.() === 0;
  const launched = mpirunArguments(family, { program, ranks, processors: ranks, asRoot });
  return startStepper("mpirun", launched.filter(isPlain), settings);
}

/**
 * Lines marked with their rank are for people.
 * @param {string} argument
 */
const isPlain = (argument) => argument !== "--tag-output" && argument !== "-prepend-rank";

/**
 * PyTorch on the same model; TESSERA_PEER_PYTHON names its interpreter.
 * @param {Settings} settings
 */
export const startTorch = (settings) =>
  startStepper(
    process.env["TESSERA_PEER_PYTHON"] ?? "python3",
    [script("peer_torch.py")],
    settings,
  );

/**
 * @param {string | undefined} peer
 * @param {boolean} compile
 * @throws UserError where nobody is asked to compile.
 */
export function checkCompile(peer, compile) {
  if (!compile || peer !== undefined) return;
  throw new UserError(
    "--compile: is what --peer does with its model; add --peer torch, or drop it",
  );
}

/**
 * Takes `rounds` timed steps of each side, interleaved, after two that are not timed. Stops the sides.
 * @param {readonly Stepper[]} sides
 * @param {number} rounds
 * @param {(round: number, rounds: number) => void} [onRound]
 * @returns {Promise<readonly Measured[]>}
 */
export async function interleave(sides, rounds, onRound) {
  try {
    const measured = sides.map((side) => ({ side, times: /** @type {number[]} */ ([]) }));
    for (let round = 0; round < rounds + WARM_UP; round += 1) {
      for (const { side, times } of measured) {
        const { seconds } = await side.step();
        if (round >= WARM_UP) times.push(seconds);
      }
      onRound?.(round + 1, rounds + WARM_UP);
    }
    const ends = [];
    for (const { side, times } of measured) {
      ends.push({ ...(await side.end()), seconds: medianOf(times) });
    }
    return ends;
  } finally {
    for (const side of sides) side.stop();
  }
}

/**
 * The same of sides that need all cores: each runs alone, because waiting ranks disturb. They run one after the
 * other, and then the other way around.
 * @param {readonly (() => Stepper)[]} starts
 * @param {number} rounds
 * @returns {Promise<readonly Measured[]>}
 */
export async function runAlone(starts, rounds) {
  const sides = starts.map((start) => ({ start, passes: /** @type {Measured[]} */ ([]) }));
  for (const { start, passes } of [...sides, ...sides.toReversed()]) {
    passes.push(...(await interleave([start()], rounds)));
  }
  return sides.map(({ passes }) => ({
    ...passes[0],
    seconds: medianOf(passes.map(({ seconds }) => seconds)),
  }));
}
