// `npm run faults`: plants faults in a copy of the last commit, one at a time, and tells whether `npm test` there
// fails, where, and after how long. Numbers name those of tools/faults/planted.mjs that are planted; else all are.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { faults } from "./faults/planted.mjs";
import { ROOT, run, setUp, stop } from "./setup.mjs";

const minutesSince = (began) => ((performance.now() - began) / 60_000).toFixed(1);

/** A copy with everything that is installed and known, so that only what a fault changes is built and tested anew. */
function copyWorkspace() {
  const copy = mkdtempSync(join(tmpdir(), "tessera-faults-"));
  run("git", ["clone", "--quiet", ROOT, copy], "the last commit cannot be copied");
  for (const name of ["node_modules", ".nx"]) {
    run("cp", ["-a", join(ROOT, name), copy], `${name} cannot be copied`);
  }
  return copy;
}

/** Which project's tests a line of Nx begins to show, or undefined. */
const projectIn = (line) => /^> nx run @tessera\/([\w-]+):test$/.exec(line)?.[1];

/** The test file that a line of Jest says has failed, or undefined. */
const failedIn = (line) => /^ *FAIL +(src\/\S+\.test\.ts)/.exec(line)?.[1];

/** Reads what `npm test` says, line by line, and calls `tell` with each file that failed and its project. */
function failureReader(tell) {
  let project;
  return (line) => {
    project = projectIn(line) ?? project;
    const file = failedIn(line);
    // The test of planted faults misses the one that is planted, which proves nothing.
    if (file !== undefined && file !== "src/faults.test.ts") tell({ project, file });
  };
}

/**
 * Runs `npm test` in `folder`, to its end or until a test of `seenBy` fails. Resolves with the files that failed and
 * whether it passed.
 */
function test(folder, seenBy = []) {
  const env = { ...process.env, FORCE_COLOR: "0", NO_COLOR: "1" };
  const options = { cwd: folder, stdio: ["ignore", "pipe", "inherit"], env, detached: true };
  const child = spawn("npm", ["test"], options);
  const end = () => process.kill(-child.pid, "SIGKILL");
  process.once("exit", end);
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

const namesOf = (failures) =>
  failures.map(({ project, file }) => `${project} ${file}`).join(", ") || "nothing failed";

/** Plants `fault` for as long as `npm test` runs. Returns whether a test that must see it does. */
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
  const isSeen = failures.some(({ project }) => seenBy.includes(project));
  const verdict = isSeen ? "seen" : "MISSED";
  process.stdout.write(`${verdict} in ${minutesSince(began)} min: ${name}: ${namesOf(failures)}\n`);
  return isSeen;
}

async function main(words) {
  if (words.includes("--help")) {
    process.stdout.write("Usage: npm run faults -- [NUMBER...]\n\n");
    faults.forEach(({ name, file }, i) => process.stdout.write(`${i + 1}  ${name} (${file})\n`));
    return 0;
  }
  const chosen = words.length === 0 ? faults : words.map((word) => faults[Number(word) - 1]);
  if (chosen.includes(undefined)) stop(`faults have numbers from 1 to ${faults.length}`);
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
