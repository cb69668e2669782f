// A line of JSON as a document.

import { findExcess } from "../read.js";

const LONG_LINE = 2 ** 20;

/** As `parseFields`, but without texts that are empty. */
export function parseDocument(line: string, keys: readonly string[]): readonly string[] | string {
  const found = parseFields(line, keys);
  const empty = typeof found === "string" ? -1 : found.indexOf("");
  return empty < 0 ? found : `has an empty text under ${JSON.stringify(keys[empty])}`;
}

/** The texts under `keys` of the object that `line` says, or the reason why there are none. */
export function parseFields(line: string, keys: readonly string[]): readonly string[] | string {
  // What is shorter cannot take much memory.
  const excess = line.length > LONG_LINE ? findExcess(line) : undefined;
  if (excess !== undefined) return excess;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return line.startsWith("[") ? "is a part of a JSON array, not a JSON line" : "is not JSON";
  }
  if (Array.isArray(value)) return "is a JSON array, not an object";
  if (typeof value !== "object" || value === null) return "is no JSON object";
  const texts: string[] = [];
  for (const key of keys) {
    const found = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
    if (typeof found !== "string") {
      return `has ${found === undefined ? "nothing" : "no text"} under ${JSON.stringify(key)}`;
    }
    texts.push(found);
  }
  return texts;
}
