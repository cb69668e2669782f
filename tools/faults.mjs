// `npm run faults`: plants faults in a copy of the last commit, one at a time, and reports whether `npm test` there
// fails, where, and after how long. Numbers select faults of tools/faults/planted.mjs. Default: all.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { faults } from "./faults/planted.mjs";
import { ROOT, run, setUp, stop } from "./setup.mjs";

/** @typedef {{ project: string | undefined, file: string }} Failure A test file that failed. */

/** @param {number} began */
const minutesSince = (began) => ((performance.now() - began) / 60_000).toFixed(1);

/** A copy with node_modules and Nx's cache, so that only what a fault changes is built and tested again. */
function copyWorkspace() {
  const copy = mkdtempSync(join(tmpdir(), "tessera-faults-"));
  run("git", ["clone", "--quiet", ROOT, copy], "the last commit cannot be copied");
  for (const name of ["node_modules", ".nx"]) {
    run("cp", ["-a", join(ROOT, name), copy], `${name} cannot be copied`);
  }
  return copy;
}

/**
 * The project whose tests follow a line of Nx, or undefined.
 * @param {string} line
 */
const projectIn = (line) => /^> nx run @tessera\/([\w-]+):test$/.exec(line)?.[1];

/**
 * The test file that failed according to a line of Jest, or undefined.
 * @param {string} line
 */
const failedIn = (line) => /^ *FAIL +(src\/\S+\.test\.ts)/.exec(line)?.[1];

/**
 * Reads the output of `npm test` line by line, and calls `onFailure` with each file that failed.
 * @param {(failure: Failure) => void} onFailure
 * @returns {(line: string) => void}
 */
function failureReader(onFailure) {
  /** @type {string | undefined} */
  let project;
  return (line) => {
    project = projectIn(line) ?? project;
    const file = failedIn(line);
    // The test of planted faults misses the one that is planted, which proves nothing.
    if (file !== undefined && file !== "src/faults.test.ts") onFailure({ project, file });
  };
}

/**
 * Runs `npm test` in `folder`, to its end or until a test of `seenBy` fails. Resolves with the files that failed and
 * whether it passed.
 * @param {string} folder
 * @param {readonly (string | undefined)[]} seenBy
 * @returns {Promise<{ isGreen: boolean, failures: readonly Failure[] }>}
 */
function test(folder, seenBy = []) {
  const env = { ...process.env, FORCE_COLOR: "0", NO_COLOR: "1" };
  const child = spawn("npm", ["test"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
    env,
    detached: true,
  });
  const { pid } = child;
  if (pid === undefined) stop("npm cannot be started");
  const end = () => void process.kill(-pid, "SIGKILL");
  process.once("exit", end);
  /** @type {Failure[]} */
  const failures = [];
  const read = failureReader((failure) => {
    failures.push(failure);
    if (seenBy.includes(failure.project)) end();
  });
  createInterface({ input: child.stdout }).on("line", read);
  return new Promise((resolve) =>
    child.once("close", (code) => {
      process.off("exit", end);
      // What a test may have started beyond its group.
      spawnSync(process.execPath, [join(ROOT, "tools/slurm-cluster/main.mjs"), "stop"]);
      resolve({ isGreen: code === 0, failures });
    }),
  );
}

/** @param {readonly Failure[]} failures */
const namesOf = (failures) =>
  failures.map(({ project, file }) => `${project} ${file}`).join(", ") || "nothing failed";

/**
 * Plants a fault for as long as `npm test` runs. Returns whether a test that must see it does.
 * @param {string} folder
 * @param {import("./faults/planted.mjs").Fault} fault
 */
async function plant(folder, { name, file, from, to, seenBy }) {
  const path = join(folder, file);
  const source = readFileSync(path, "utf8");
  if (source.split(from).length !== 2) stop(`${file}: has no one "${from}" to plant ${name} in`);
  writeFileSync(
    path,
    source.replace(from, () => to),
  );
  const began = performance.now();
  const { failures } = await test(folder, seenBy);
  writeFileSync(path, source);
  const isSeen = failures.some(({ project }) => project !== undefined && seenBy.includes(project));
  const verdict = isSeen ? "seen" : "MISSED";
  process.stdout.write(`${verdict} in ${minutesSince(began)} min: ${name}: ${namesOf(failures)}\n`);
  return isSeen;
}

/** @param {string} word */
const faultNumbered = (word) =>
  faults[Number(word) - 1] ?? stop(`faults have numbers from 1 to ${faults.length}`);

/** @param {readonly string[]} words */
async function main(words) {
  if (words.includes("--help")) {
    process.stdout.write("Usage: npm run faults -- [NUMBER...]\n\n");
    faults.forEach(({ name, file }, i) => process.stdout.write(`${i + 1}  ${name} (${file})\n`));
    return 0;
  }
  const chosen = words.length === 0 ? faults : words.map(faultNumbered);
  setUp();
  const folder = copyWorkspace();
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  const began = performance.now();
  const { isGreen, failures } = await test(folder);
  if (!isGreen) stop(`npm test fails without a fault: ${namesOf(failures)}`);
  process.stdout.write(`without a fault: passed in ${minutesSince(began)} min\n`);
  let missed = 0;
  for (const fault of chosen) if (!(await plant(folder, fault))) missed += 1;
  process.stdout.write(`${chosen.length - missed} of ${chosen.length} faults are seen\n`);
  return missed === 0 ? 0 : 1;
}

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));
process.exitCode = await main(process.argv.slice(2));
