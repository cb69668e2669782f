// Oniguruma's regular expressions as JavaScript's. Hugging Face's tokenizers matches with Oniguruma, where classes such
// as \d mean all of Unicode.

import { toRegExpDetails } from "oniguruma-to-es";
import { checkRepeats } from "./check_repeats.js";

/** Longer ones are refused. */
const MAX_LENGTH = 10_000;

/** The same expression in JavaScript's syntax. Throws an error that says why there is none. */
export function translatePattern(regex: string): RegExp {
  if (regex.length > MAX_LENGTH) throw new Error(`it has more than ${MAX_LENGTH} characters`);
  if (/\(\?[a-z]*[A-Zy]/.test(regex)) throw new Error("it changes what classes mean");
  // Flag v of Node 20's engine leaves out matches where a class such as [^a] is in a group that is repeated.
  const { pattern, flags, options } = toRegExpDetails(writeWords(regex), {
    global: true,
    target: "ES2018",
  });
  if (options?.strategy != null) throw new Error("it has \\G");
  checkRepeats(pattern);
  // Oniguruma minds the case of properties always, JavaScript not under flag i.
  if (flags.includes("i") && CASED.test(pattern))
    throw new Error("it ignores the case of cased properties");
  return new RegExp(pattern, flags);
}

/** Properties that a letter has and its other case has not, and what has no property that letters have. */
const CASED = /\\p\{(?:L[lut]|Upper|Lower|Title)|\\P\{(?!space\}|[NPSZ])/;

/** Oniguruma's \w has these in addition, but not within a class. */
const WORD = "[[:word:]²³¹¼½¾]";
const NO_WORD = "[^[:word:]²³¹¼½¾]";
const OUTSIDE: Readonly<Record<string, string>> = {
  w: WORD,
  W: NO_WORD,
  b: `(?:(?<=${WORD})(?!${WORD})|(?<!${WORD})(?=${WORD}))`,
  B: `(?:(?<=${WORD})(?=${WORD})|(?<!${WORD})(?!${WORD}))`,
  "p{Word}": WORD,
  "P{Word}": NO_WORD,
};
const INSIDE: Readonly<Record<string, string>> = { w: "[:word:]", W: "[:^word:]" };

/** Spells out what a word's characters are, which `oniguruma-to-es` takes for others. */
function writeWords(regex: string): string {
  let depth = 0; // of classes
  return regex.replace(
    /\\([pP]\{Word\}|[^])|\[:\^?[a-z]+:\]|\[\^?\]?|\]/g,
    (found, escape?: string) => {
      if (escape !== undefined) return (depth > 0 ? INSIDE : OUTSIDE)[escape] ?? found;
      if (found.startsWith("[:") && depth > 0) return found;
      if (found.startsWith("[")) depth += 1;
      else depth = Math.max(0, depth - 1);
      return found;
    },
  );
}
