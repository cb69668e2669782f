// Splits text into pieces, each of which is merged on its own: by a scanner for GPT-2's pattern, by regular
// expressions for others, which may come in several steps.

import { gpt2PieceEnd } from "./gpt2_pattern.js";
import { isKnownPattern, knownPatterns } from "./known_patterns.js";
import type { ByteText } from "./piece_table.js";
import { isolateMatches, splitByPattern, type Split, type VisitEnds } from "./split.js";
import { decodeUtf8, encodeUtf8, type TextRange } from "./utf8.js";

/**
 * What is done to each piece that the steps before have made; the first is given the text. "gpt2" splits by GPT-2's
 * pattern, "prefixSpace" puts a space before a piece that has none.
 */
export type PreTokenizerStep = "gpt2" | "prefixSpace" | Split;

/** End of the piece that begins at `start`. Called for the pieces of a text from left to right. */
export type PieceEnd = (bytes: Uint8Array, start: number, end: number) => number;

/** The pieces of a text: one after the other, they are the range. */
export interface Pieces extends TextRange {
  readonly pieceEnd: PieceEnd;
}

/** Splits text[start, end). */
export type Splitter = (text: ByteText, start: number, end: number) => Pieces;

/**
 * The splitter for `steps`; without any, a text is one piece.
 *
 * @throws UserError for a regular expression that cannot be used here; when it splits, for a text on which one fails.
 */
export function createSplitter(steps: readonly PreTokenizerStep[]): Splitter {
  const [only, ...more] = steps;
  if (only === undefined) return (text, start, end) => ({ text, start, end, pieceEnd: wholePiece });
  if (only === "gpt2" && more.length === 0) {
    return (text, start, end) => ({ text, start, end, pieceEnd: gpt2PieceEnd });
  }
  const isolations = steps.flatMap(isolationOf);
  return isolations.length === steps.length ? isolatePieces(isolations) : splitPieces(steps);
}

/** Whether all the time that the steps take is known to grow with the length of a text. */
export const areKnownSteps = (steps: readonly PreTokenizerStep[]): boolean =>
  steps.every((step) => typeof step === "string" || isKnownPattern(step.regex));

const wholePiece: PieceEnd = (_bytes, _start, end) => end;

/** The pattern of a step that only isolates its matches, as most do; or nothing. */
function isolationOf(step: PreTokenizerStep): readonly string[] {
  if (typeof step === "string") return step === "gpt2" ? [knownPatterns.gpt2] : [];
  return step.behavior === "Isolated" ? [step.regex] : [];
}

/** All of the text remains, so its bytes need not be copied. */
function isolatePieces(patterns: readonly string[]): Splitter {
  const visitors = patterns.map(isolateMatches);
  const visitPieces = visitors.reduceRight((inner, outer): VisitEnds => (text, visit) => {
    let start = 0;
    outer(text, (end) => {
      const from = start;
      inner(text.slice(from, end), (at) => visit(from + at));
      start = end;
    });
  });
  return (text, start, end) => {
    const given = decodeUtf8(text.bytes, start, end);
    // Bytes that are not UTF-8 have become U+FFFD, which has other bytes.
    const isSame = Buffer.byteLength(given) === end - start;
    const range = isSame ? { text, start, end } : encodeUtf8(given);
    const isAscii = given.length === end - start;
    const ends: number[] = [];
    let at = 0;
    let byte = range.start;
    visitPieces(given, (pieceEnd) => {
      byte += isAscii ? pieceEnd - at : Buffer.byteLength(given.slice(at, pieceEnd));
      ends.push(byte);
      at = pieceEnd;
    });
    return { ...range, pieceEnd: takeInTurn(ends) };
  };
}

/** What is left of the text is copied piece by piece. */
function splitPieces(steps: readonly PreTokenizerStep[]): Splitter {
  const splits = steps.map(splitOf);
  return (text, start, end) => {
    let pieces: readonly string[] = [decodeUtf8(text.bytes, start, end)];
    for (const split of splits) {
      pieces = pieces.flatMap((piece) => (piece === "" ? [] : split(piece)));
    }
    let at = 0;
    const ends = pieces.map((piece) => (at += Buffer.byteLength(piece)));
    return { ...encodeUtf8(pieces.join("")), pieceEnd: takeInTurn(ends) };
  };
}

function splitOf(step: PreTokenizerStep): (text: string) => readonly string[] {
  if (step === "prefixSpace") return (text) => [text.startsWith(" ") ? text : ` ${text}`];
  if (step !== "gpt2") return splitByPattern(step);
  return splitByPattern({ regex: knownPatterns.gpt2, behavior: "Isolated", invert: false });
}

function takeInTurn(ends: readonly number[]): PieceEnd {
  let next = 0;
  return () => {
    next += 1;
    return ends[next - 1]!;
  };
}
