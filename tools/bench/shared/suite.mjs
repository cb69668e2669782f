// What the suites have in common: flags, their help, an exit code, and results as JSON.

import { writeFileSync } from "node:fs";
import { EXIT, endWith, parseFlags, text } from "@tessera/config";

/** @typedef {import("@tessera/config").FlagGroups} FlagGroups */

/** The flag that every suite has. */
export const output = { json: text("writes the results as JSON", "FILE") };

/**
 * Writes `results` where `--json` says; nowhere without it.
 * @param {string | undefined} file
 * @param {unknown} results
 */
export function writeResults(file, results) {
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
}

/**
 * The function `run` of a suite: parses flags, shows their help or measures, and sets the exit code.
 * @template {FlagGroups} const G
 * @param {import("@tessera/config").Program<G>} program
 * @param {(flags: import("@tessera/config").Parsed<G>["values"]) => Promise<number | void> | number | void} measure
 * Returns an exit code. Default: 0.
 * @returns {(argv: readonly string[]) => Promise<void>}
 */
export const suite = (program, measure) => (argv) =>
  endWith("bench", async () => {
    const parsed = parseFlags(program, argv);
    if (!("answer" in parsed)) return (await measure(parsed.values)) ?? EXIT.done;
    process.stdout.write(parsed.answer);
    return EXIT.done;
  });
