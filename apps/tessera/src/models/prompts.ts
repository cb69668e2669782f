// Prompts from a file: one a line, or JSON lines.

import { UserError } from "@tessera/config";
import { readText } from "@tessera/files";
import { kindOfCorpus, parseFields } from "@tessera/files/corpus";

const MAX_BYTES = 2 ** 28;

/** The lines of a file that are not empty, with their numbers from 1. Throws a UserError that names it. */
const linesOf = (path: string): readonly (readonly [text: string, number: number])[] =>
  readText(path, MAX_BYTES)
    .split(/\r?\n/)
    .map((line, i) => [line, i + 1] as const)
    .filter(([line]) => line.trim() !== "");

/** The text under `key` of each line of JSON. Throws a UserError that names the first line without one. */
export const textsOf = (path: string, key: string): readonly string[] =>
  linesOf(path).map(([line, number]) => {
    const found = parseFields(line, [key]);
    if (typeof found !== "string") return found[0]!;
    throw new UserError(`${path}: line ${number} ${found}`);
  });

/** The prompts in a file; each line is one, or where the name is that of JSON lines has one as "prompt". */
export function readPrompts(path: string): readonly string[] {
  const prompts =
    kindOfCorpus(path) === "lines" ? textsOf(path, "prompt") : linesOf(path).map(([line]) => line);
  if (prompts.length === 0) throw new UserError(`${path}: has no prompts`);
  return prompts;
}
