// A step that splits text by a pattern, as Hugging Face's `Split` does.

import { compilePattern, type VisitMatches } from "./regular_expression.js";

/** What becomes of the matches of a pattern, as Hugging Face names it. */
export const splitBehaviors = [
  "Removed",
  "Isolated",
  "MergedWithPrevious",
  "MergedWithNext",
  "Contiguous",
] as const;
/** Where the matches of a split go: tokenizers' names. */
export type SplitBehavior = (typeof splitBehaviors)[number];

/** Splits each piece by a regular expression in Oniguruma's syntax. */
export interface Split {
  readonly regex: string;
  readonly behavior: SplitBehavior;
  /** Whether what is between the matches counts as the matches. */
  readonly invert: boolean;
}

/** A match, or what is between two. */
interface Part {
  start: number;
  end: number;
  readonly isMatch: boolean;
}

/** Pieces that are a whole text, one after the other, are told by where each ends. */
export type VisitEnds = (text: string, visit: (end: number) => void) => void;

/** Splits before and after each match. @throws UserError for a pattern that cannot be used here. */
export function isolateMatches(regex: string): VisitEnds {
  const visitMatches = compilePattern(regex);
  return (text, visit) => {
    let at = 0;
    const endAt = (end: number): void => {
      if (end > at) visit(end);
      at = end;
    };
    visitMatches(text, (start, end) => {
      endAt(start);
      endAt(end);
    });
    endAt(text.length);
  };
}

/** @throws UserError for a pattern that cannot be used here. */
export function splitByPattern({
  regex,
  behavior,
  invert,
}: Split): (text: string) => readonly string[] {
  const visitMatches = compilePattern(regex);
  const arrange = arrangements[behavior];
  return (text) =>
    arrange(findParts(text, visitMatches, invert)).flatMap(({ start, end }) =>
      start === end ? [] : [text.slice(start, end)],
    );
}

/** Matches and the text between them, from left to right. */
function findParts(text: string, visitMatches: VisitMatches, invert: boolean): readonly Part[] {
  const parts: Part[] = [];
  let at = 0;
  visitMatches(text, (start, end) => {
    if (start > at) parts.push({ start: at, end: start, isMatch: invert });
    at = end;
    parts.push({ start, end, isMatch: !invert });
  });
  if (at < text.length) parts.push({ start: at, end: text.length, isMatch: invert });
  return parts;
}

type Arrange = (parts: readonly Part[]) => readonly Part[];

const arrangements: Readonly<Record<SplitBehavior, Arrange>> = {
  Isolated: (parts) => parts,
  Removed: (parts) => parts.filter(({ isMatch }) => !isMatch),
  Contiguous: (parts) => mergeParts(parts, (isMatch, wasMatch) => isMatch === wasMatch),
  MergedWithPrevious: (parts) => mergeParts(parts, (isMatch, wasMatch) => isMatch && !wasMatch),
  MergedWithNext: (parts) =>
    mergeParts(parts.toReversed(), (isMatch, wasMatch) => isMatch && !wasMatch).toReversed(),
};

/** Each part that `belongs` to the one before it in the list becomes one with it. */
function mergeParts(
  parts: readonly Part[],
  belongs: (isMatch: boolean, wasMatch: boolean) => boolean,
): Part[] {
  const merged: Part[] = [];
  let wasMatch = false;
  for (const part of parts) {
    const last = merged.at(-1);
    if (last !== undefined && belongs(part.isMatch, wasMatch)) {
      last.start = Math.min(last.start, part.start);
      last.end = Math.max(last.end, part.end);
    } else {
      merged.push({ ...part });
    }
    wasMatch = part.isMatch;
  }
  return merged;
}
