// Prompts from a file: one a line, or JSON lines.

import { readFileSync, statSync } from "node:fs";
import { UserError } from "@tessera/config";

const MAX_BYTES = 2 ** 28;

/** The lines of a file that are not empty, with their numbers from 1. Throws a UserError that names it. */
export function linesOf(path: string): readonly (readonly [text: string, number: number])[] {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile()) throw new UserError(`${path}: is no file`);
  if (stats.size > MAX_BYTES) {
    throw new UserError(`${path}: has ${stats.size} bytes, must have at most ${MAX_BYTES}`);
  }
  const lines = readFileSync(path, "utf8").split(/\r?\n/);
  return lines.map((line, i) => [line, i + 1] as const).filter(([line]) => line.trim() !== "");
}

/** The text under `key` of each line of JSON. Throws a UserError that names the first line without one. */
export const textsOf = (path: string, key: string): readonly string[] =>
  linesOf(path).map(([line, number]) => {
    const text = fieldOf(line, key);
    if (text !== undefined) return text;
    throw new UserError(`${path}: line ${number} is not JSON with a text under "${key}"`);
  });

function fieldOf(line: string, key: string): string | undefined {
  try {
    const value = JSON.parse(line) as Readonly<Record<string, unknown>> | null;
    const text = value?.[key];
    return typeof text === "string" ? text : undefined;
  } catch {
    return undefined;
  }
}

/** The prompts in a file; each line is one, or where the name ends in .jsonl has one as "prompt". */
export function readPrompts(path: string): readonly string[] {
  const prompts = path.endsWith(".jsonl")
    ? textsOf(path, "prompt")
    : linesOf(path).map(([line]) => line);
  if (prompts.length === 0) throw new UserError(`${path}: has no prompts`);
  return prompts;
}
