// How close our all-reduce comes to MPI's own, and how much of it hides behind a matrix product: ranks of
// this machine, C and JavaScript interleaved in one run.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { number } from "@tessera/config";
import { medianOf } from "./shared/median.mjs";
import { output, suite, writeResults } from "./shared/suite.mjs";

/** @typedef {{ ranks: number, rounds: number, repeats: number }} Flags */
/** @typedef {import("./collectives/rank.mjs").Timing} Timing */
/** @typedef {ReturnType<typeof measure>} Result */

const program = {
  name: "bench collectives",
  summary:
    "Times collectives on MPI beside the same MPI from C, alone and behind a matrix product.",
  groups: {
    Cases: {
      ranks: number("how many ranks of this machine", { min: 2, whole: true }, 2),
      rounds: number("of C and of ours, interleaved", { min: 1, whole: true }, 3),
      repeats: number("of each call in a round", { min: 1, whole: true }, 15),
    },
    Output: output,
  },
};

const FOLDER = fileURLToPath(new URL("collectives/", import.meta.url));
const FLOATS = 16 * 1024 * 1024; // 64 MiB
const WIDTH = 1536;

/**
 * The output of `command` as `count` ranks.
 * @param {number} count
 * @param {readonly (string | number)[]} command
 */
function runRanks(count, command) {
  const root = process.getuid?.() === 0 ? ["--allow-run-as-root"] : [];
  return execFileSync(
    "mpirun",
    [...root, "--oversubscribe", "-n", String(count), ...command.map(String)],
    {
      encoding: "utf8",
      env: { ...process.env, OMP_NUM_THREADS: "1" },
    },
  );
}

/**
 * Median seconds of MPI's all-reduce from C, of ours, of a product, and of the last two at once.
 * @param {Flags} flags
 */
function timeRounds({ ranks, rounds, repeats }) {
  const scratch = mkdtempSync(join(tmpdir(), "tessera-bench-"));
  try {
    const native = join(scratch, "allreduce");
    execFileSync("mpicc", ["-O3", join(FOLDER, "allreduce.c"), "-o", native]);
    /** @type {Timing & { mpi: number[] }} */
    const times = { mpi: [], reduce: [], multiply: [], both: [] };
    for (let round = 0; round < rounds; round += 1) {
      const mpi = runRanks(ranks, [native, FLOATS, repeats]);
      times.mpi.push(...mpi.trim().split("\n").map(Number));
      const program = [process.execPath, join(FOLDER, "rank.mjs"), FLOATS, repeats, WIDTH];
      /** @type {Timing} */
      const ours = JSON.parse(runRanks(ranks, program));
      times.reduce.push(...ours.reduce);
      times.multiply.push(...ours.multiply);
      times.both.push(...ours.both);
    }
    return {
      mpi: medianOf(times.mpi),
      reduce: medianOf(times.reduce),
      multiply: medianOf(times.multiply),
      both: medianOf(times.both),
    };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/**
 * Microseconds of a short call, by kind and size, alone and with ranks comparing their calls.
 * @param {Flags} flags
 */
function measureLatency({ ranks }) {
  return ["plain", "compare"].flatMap((mode) => {
    const command = [process.execPath, join(FOLDER, "latency.mjs"), mode];
    /** @type {import("./collectives/latency.mjs").Latency} */
    const kinds = JSON.parse(runRanks(ranks, command));
    return Object.entries(kinds).map(([kind, micros]) => ({ kind, mode, micros }));
  });
}

/** @param {number} seconds */
const milliseconds = (seconds) => `${(1000 * seconds).toFixed(1)} ms`;

/** @param {Result} result */
function describe({ seconds: { mpi, reduce, multiply, both }, ofMpi, ofLonger, latency }) {
  const calls = latency.map(
    ({ kind, mode, micros: [kib1, kib64, mib1, mib4] }) =>
      `${kind}, ${mode}: 1 KiB ${kib1} us, 64 KiB ${kib64} us, 1 MiB ${mib1} us, 4 MiB ${mib4} us`,
  );
  const large = [
    `all-reduce of 64 MiB of fp32: MPI from C ${milliseconds(mpi)}, here ${milliseconds(reduce)}: ` +
      `${ofMpi.toFixed(2)} of its speed`,
    `beside a product of ${WIDTH} x ${WIDTH} (${milliseconds(multiply)}): ${milliseconds(both)}, ` +
      `${ofLonger.toFixed(2)} times the longer of the two`,
  ];
  return [...calls, ...large].join("\n");
}

/** @param {Flags} flags */
function measure(flags) {
  const seconds = timeRounds(flags);
  const { mpi, reduce, multiply, both } = seconds;
  return {
    ranks: flags.ranks,
    seconds,
    ofMpi: mpi / reduce,
    ofLonger: both / Math.max(reduce, multiply),
    latency: measureLatency(flags),
  };
}

export const run = suite(program, (flags) => {
  const result = measure(flags);
  process.stdout.write(`${describe(result)}\n`);
  writeResults(flags.json, [result]);
});
