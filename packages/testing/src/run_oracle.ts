// Libraries of Python whose word on an input is compared with ours: installed from PyPI, for slow tests alone.

import { createHash } from "node:crypto";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram, type Ended } from "./processes.js";

const FOLDER = join(__dirname, "../dist/oracles");

/**
 * Runs a script of Python with `input` on its standard input, where the libraries of `requirements` are installed, such
 * as "numpy==2.4.6". Returns the JSON that it prints. Throws what it says where it fails.
 */
export function runOracle(
  requirements: readonly string[],
  script: string,
  input: unknown,
): unknown {
  const { stdout } = succeed(
    runProgram(pythonWith(requirements), ["-c", script], {
      input: JSON.stringify(input),
      maxBuffer: 2 ** 28,
    }),
  );
  return JSON.parse(stdout);
}

/** The interpreter of an environment that has `requirements` and is made once. */
function pythonWith(requirements: readonly string[]): string {
  const digest = createHash("sha256").update(requirements.join("\n")).digest("hex");
  const folder = join(FOLDER, digest.slice(0, 12));
  const python = join(folder, "bin/python");
  const stamp = join(folder, "installed");
  if (existsSync(stamp)) return python;
  rmSync(folder, { recursive: true, force: true });
  succeed(runProgram("python3", ["-m", "venv", folder]));
  const quietly = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  succeed(runProgram(python, [...quietly, ...requirements]));
  writeFileSync(stamp, requirements.join("\n"));
  return python;
}

function succeed(ended: Ended): Ended {
  if (ended.status !== 0) throw new Error(ended.stderr);
  return ended;
}
