// tfjs-core's own test suite passes on this backend.

import { expect, test } from "@jest/globals";
import { execFile } from "node:child_process";
import path from "node:path";
import { isAvailable } from "./index.js";

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly failures: readonly string[];
}

/** Every spec runs: a bundle that drops some would pass with less. */
const SPECS = 4220;

const run = (): Promise<Counts> =>
  new Promise((resolve) => {
    const script = path.join(__dirname, "..", "conformance", "run.mjs");
    const options = { maxBuffer: 2 ** 26 };
    execFile(process.execPath, [script], options, (_error, stdout, stderr) => {
      const last = stdout.trimEnd().split("\n").at(-1) ?? "";
      resolve(
        last.startsWith("{")
          ? (JSON.parse(last) as Counts)
          : { passed: 0, failed: 1, failures: [stderr] },
      );
    });
  });

(isAvailable() ? test : test.skip)("tfjs-core's specs pass", async () => {
  const { passed, failures } = await run();
  expect(failures).toEqual([]);
  expect(passed).toBeGreaterThanOrEqual(SPECS);
});
