// Runs tests against what is planted in a copy of the workspace.

import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";

const PARTS = "tools/mutate";

/** @typedef {import("node:child_process").ChildProcess} ChildProcess */
/** @typedef {import("./users.mjs").Tests} Tests */

/** @type {Set<ChildProcess>} */
const running = new Set();

/** Ends what runs, with all that it started. */
export function endAll() {
  for (const child of running) endGroup(child);
}

/** @param {ChildProcess} leader */
function endGroup({ pid }) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/**
 * One run of Jest, until its first failure: the file that failed, "time" where the limit passed, null where all
 * tests pass.
 * @param {string} folder
 * @param {Tests} tests
 * @param {{ order: readonly string[], limitMs: number }} options
 */
export async function firstFailure(folder, { project, files = [], only }, { order, limitMs }) {
  const cwd = join(folder, project);
  const failed = join(folder, "tmp/failed");
  rmSync(failed, { force: true });
  const jest = join(folder, "node_modules/jest/bin/jest.js");
  /** @param {string} name */
  const part = (name) => join(folder, PARTS, name);
  const child = spawn(
    process.execPath,
    [
      ...[jest, "--config", join(folder, "jest.config.mjs"), "--rootDir", "."],
      ...["--testSequencer", part("sequence.mjs"), "--reporters", part("reporter.mjs")],
      ...["--runInBand", "--bail", "--silent"],
      ...(only === undefined ? [] : ["--testNamePattern", only]),
      ...files,
    ],
    {
      cwd,
      detached: true,
      stdio: "ignore",
      env: {
        ...process.env,
        OMP_NUM_THREADS: "1",
        TMPDIR: join(folder, "tmp"),
        TESSERA_MUTATE_FAILED: failed,
        TESSERA_MUTATE_ORDER: JSON.stringify(order.map((path) => join(folder, path))),
      },
    },
  );
  running.add(child);
  const code = await waitFor(child, limitMs);
  endGroup(child); // what a test started and did not end
  running.delete(child);
  if (code === 0) return null;
  if (code === null) return "time";
  // Jest itself may go down with a mutant.
  return existsSync(failed) ? relative(folder, readFileSync(failed, "utf8")) : "crash";
}

/**
 * The exit code, or null where the time passed.
 * @param {ChildProcess} child
 * @param {number} limitMs
 * @returns {Promise<number | null>}
 */
const waitFor = (child, limitMs) =>
  new Promise((resolve) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      endGroup(child);
    }, limitMs);
    child.once("exit", (code) => {
      clearTimeout(timer);
      resolve(isLate ? null : (code ?? 1));
    });
  });
