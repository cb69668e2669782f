// How close our all-reduce comes to MPI's own, and how much of it hides behind a matrix product: ranks of
// this machine, C and JavaScript by turns in one run.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { endWith, number, parseFlags, text } from "@tessera/config";
import { medianOf } from "./training/median.mjs";

const program = {
  name: "bench collectives",
  summary:
    "Times collectives on MPI beside the same MPI from C, alone and behind a matrix product.",
  groups: {
    Cases: {
      ranks: number("how many ranks of this machine", { min: 2, whole: true }, 2),
      rounds: number("of C and of ours, in turn", { min: 1, whole: true }, 3),
      repeats: number("of each call in a round", { min: 1, whole: true }, 15),
    },
    Output: { json: text("writes the results as JSON", "FILE") },
  },
};

const FOLDER = fileURLToPath(new URL("collectives/", import.meta.url));
const FLOATS = 16 * 1024 * 1024; // 64 MiB
const WIDTH = 1536;

function ranksOf(count, ...command) {
  const root = process.getuid?.() === 0 ? ["--allow-run-as-root"] : [];
  return execFileSync("mpirun", [...root, "--oversubscribe", "-n", String(count), ...command], {
    encoding: "utf8",
    env: { ...process.env, OMP_NUM_THREADS: "1" },
  });
}

/** Median seconds of MPI's all-reduce from C, of ours, of a product, and of the last two at once. */
function measure({ ranks, rounds, repeats }) {
  const scratch = mkdtempSync(join(tmpdir(), "tessera-bench-"));
  try {
    const native = join(scratch, "allreduce");
    execFileSync("mpicc", ["-O3", join(FOLDER, "allreduce.c"), "-o", native]);
    const times = { mpi: [], reduce: [], multiply: [], both: [] };
    for (let round = 0; round < rounds; round += 1) {
      times.mpi.push(...ranksOf(ranks, native, FLOATS, repeats).trim().split("\n").map(Number));
      const args = [join(FOLDER, "rank.mjs"), FLOATS, repeats, WIDTH];
      const ours = JSON.parse(ranksOf(ranks, process.execPath, ...args));
      for (const [name, seconds] of Object.entries(ours)) times[name].push(...seconds);
    }
    return Object.fromEntries(Object.entries(times).map(([name, list]) => [name, medianOf(list)]));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** What a short call costs in microseconds, by kind and size, alone and with ranks comparing their calls. */
function latencies({ ranks }) {
  return ["plain", "compare"].flatMap((mode) => {
    const command = [process.execPath, join(FOLDER, "latency.mjs"), mode];
    const kinds = JSON.parse(ranksOf(ranks, ...command));
    return Object.entries(kinds).map(([kind, micros]) => ({ kind, mode, micros }));
  });
}

const milliseconds = (seconds) => `${(1000 * seconds).toFixed(1)} ms`;

function told({ seconds: { mpi, reduce, multiply, both }, ofMpi, ofLonger, latency }) {
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

function main(argv) {
  const parsed = parseFlags(program, argv);
  if ("help" in parsed) {
    process.stdout.write(parsed.help);
    return 0;
  }
  const { ranks, json } = parsed.values;
  const seconds = measure(parsed.values);
  const { mpi, reduce, multiply, both } = seconds;
  const result = {
    ranks,
    seconds,
    ofMpi: mpi / reduce,
    ofLonger: both / Math.max(reduce, multiply),
    latency: latencies(parsed.values),
  };
  process.stdout.write(`${told(result)}\n`);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify([result], null, 2)}\n`);
  return 0;
}

export const run = (argv) => endWith("bench", () => main(argv));
