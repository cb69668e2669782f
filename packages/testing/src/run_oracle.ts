// Python libraries as test oracles, installed from PyPI, for slow tests alone.

import { createHash } from "node:crypto";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram, type ProcessResult } from "./processes.js";

// Not in dist, which a build replaces.
const FOLDER = join(__dirname, "../build/oracles");

/**
 * Runs a Python script with `input` as JSON on its standard input, in an environment with `requirements`, such as
 * "numpy==2.4.6", and with `bare` ones, for which nothing else is installed. Returns the JSON that it prints. Throws its
 * output where it fails.
 */
export function runOracle(
  requirements: readonly string[],
  script: string,
  input: unknown,
  bare: readonly string[] = [],
): unknown {
  const { stdout } = checkStatus(
    runProgram(installPython(requirements, bare), ["-c", script], {
      input: JSON.stringify(input),
      maxBuffer: 2 ** 28,
    }),
  );
  return JSON.parse(stdout);
}

/**
 * The interpreter of an environment with `requirements`, and `bare` ones without what they need, which is created once.
 */
export function installPython(requirements: readonly string[], bare: readonly string[]): string {
  const all = [...requirements, ...bare.map((one) => `bare ${one}`)].join("\n");
  const digest = createHash("sha256").update(all).digest("hex");
  const folder = join(FOLDER, digest.slice(0, 12));
  const python = join(folder, "bin/python");
  const stamp = join(folder, "installed");
  if (existsSync(stamp)) return python;
  rmSync(folder, { recursive: true, force: true });
  checkStatus(runProgram("python3", ["-m", "venv", folder]));
  const quietly = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  if (requirements.length > 0) checkStatus(runProgram(python, [...quietly, ...requirements]));
  if (bare.length > 0) checkStatus(runProgram(python, [...quietly, "--no-deps", ...bare]));
  writeFileSync(stamp, all);
  return python;
}

function checkStatus(ended: ProcessResult): ProcessResult {
  if (ended.status !== 0) throw new Error(ended.stderr);
  return ended;
}
