// Commands as documentation shows them, to be run as tests.

import { readFileSync } from "node:fs";

/** The commands, each on one line, in the first block of shell behind `heading` in a Markdown file. */
export function commandsBehind(path: string, heading: string): string[] {
  const [, section] = readFileSync(path, "utf8").split(`\n${heading}\n`);
  const [, block] = /```sh\n([\s\S]*?)```/.exec(section ?? "") ?? [];
  if (block === undefined) throw new Error(`${path}: ${heading} has no commands`);
  return block
    .replaceAll(/\\\n\s*/g, "")
    .trim()
    .split("\n");
}
