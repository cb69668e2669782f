// How close our all-reduce comes to MPI's own, and how much of it hides behind a matrix product: two
// ranks of this machine, C and JavaScript by turns in one run.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const FLOATS = 16 * 1024 * 1024; // 64 MiB
const REPEATS = 15;
const ROUNDS = 3;
const WIDTH = 1536;

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const milliseconds = (seconds) => `${(1000 * seconds).toFixed(1)} ms`;

function ranks(count, ...program) {
  const root = process.getuid?.() === 0 ? ["--allow-run-as-root"] : [];
  return execFileSync("mpirun", [...root, "--oversubscribe", "-n", String(count), ...program], {
    encoding: "utf8",
    env: { ...process.env, OMP_NUM_THREADS: "1" },
  });
}

/** Prints the figures; returns them. `argv`: how many ranks, 2 unless it is given. */
export function run([count = "2"] = []) {
  const scratch = mkdtempSync(join(tmpdir(), "tessera-bench-"));
  try {
    const native = join(scratch, "allreduce");
    execFileSync("mpicc", ["-O3", join(FOLDER, "collectives/allreduce.c"), "-o", native]);
    const theirs = [];
    const ours = { reduce: [], multiply: [], both: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      theirs.push(...ranks(count, native, FLOATS, REPEATS).trim().split("\n").map(Number));
      const args = [join(FOLDER, "collectives/rank.mjs"), FLOATS, REPEATS, WIDTH];
      const got = JSON.parse(ranks(count, process.execPath, ...args));
      for (const [name, seconds] of Object.entries(got)) ours[name].push(...seconds);
    }
    reportLatency(count);
    return report(median(theirs), ours);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** What a short call costs, alone and with ranks comparing their calls. */
function reportLatency(count) {
  for (const mode of ["plain", "compare"]) {
    const program = [join(FOLDER, "collectives/latency.mjs"), mode];
    const kinds = JSON.parse(ranks(count, process.execPath, ...program));
    for (const [kind, [kib1, kib64, mib1, mib4]] of Object.entries(kinds)) {
      process.stdout.write(
        `${kind}, ${mode}: 1 KiB ${kib1} us, 64 KiB ${kib64} us, 1 MiB ${mib1} us, 4 MiB ${mib4} us\n`,
      );
    }
  }
}

function report(mpi, ours) {
  const [reduce, multiply, both] = [ours.reduce, ours.multiply, ours.both].map(median);
  const share = mpi / reduce;
  const overlap = both / Math.max(reduce, multiply);
  process.stdout.write(
    `all-reduce of 64 MiB of fp32: MPI from C ${milliseconds(mpi)}, here ${milliseconds(reduce)}: ` +
      `${share.toFixed(2)} of its speed\n` +
      `beside a product of ${WIDTH} x ${WIDTH} (${milliseconds(multiply)}): ${milliseconds(both)}, ` +
      `${overlap.toFixed(2)} times the longer of the two\n`,
  );
  return { share, overlap };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) run(process.argv.slice(2));
