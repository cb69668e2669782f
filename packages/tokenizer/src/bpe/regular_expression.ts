// Regular expressions of tokenizer files. They are in Oniguruma's syntax, and may be hostile.

import { UserError } from "@tessera/config";
import { isKnownPattern } from "./known_patterns.js";
import { translatePattern } from "./oniguruma.js";
import { runWithin } from "./time_limit.js";

/** Calls `visit` for the matches in a text, from left to right. An empty match at the end of another is none. */
export type VisitMatches = (text: string, visit: (start: number, end: number) => void) => void;

/**
 * Finds the matches of `regex`.
 *
 * @throws UserError for an expression that cannot be used here; when it is used, where it takes too long.
 */
export function compilePattern(regex: string): VisitMatches {
  const expression = compile(regex);
  const visitMatches: VisitMatches = (text, visit) => {
    let last = -1;
    try {
      for (const { 0: match, index: start } of text.matchAll(expression)) {
        if (match === "" && (start === last || isInCharacter(text, start))) continue;
        last = start + match.length;
        visit(start, last);
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new UserError(
        "a piece of the text is too long for the tokenizer's pattern, break it up",
      );
    }
  };
  if (isKnownPattern(regex)) return visitMatches;
  return (text, visit) => runWithin(text.length, () => visitMatches(text, visit));
}

/** Node 20 goes on behind an empty match by half a character, where that has two code units. */
const isInCharacter = (text: string, at: number): boolean =>
  /[\udc00-\udfff]/.test(text.charAt(at)) && /[\ud800-\udbff]/.test(text.charAt(at - 1));

function compile(regex: string): RegExp {
  try {
    const expression = translatePattern(regex);
    runWithin(0, () => expression.test("")); // what is too large for the engine is found out now
    expression.lastIndex = 0;
    return expression;
  } catch (error) {
    const shown = regex.length > 200 ? `${regex.slice(0, 200)}...` : regex;
    const [reason] = (error as Error).message.split("\n", 1);
    throw new UserError(`the pattern ${shown} cannot be used here (${reason!})`);
  }
}
