// Token ids as a stream of text: whole characters, up to the first stop text.

import { decodeStream, type Tokenizer } from "@tessera/tokenizer";

/** Turns ids into text that may be shown. */
export interface TextStream {
  /** The text that `id` completes. What may be the start of a stop text is held back. */
  push(id: number): string;
  /** The text that was held back. Ends the stream. */
  end(): string;
  /** Whether a stop text was found; then there is no more text. */
  readonly isStopped: boolean;
  /** Characters that were decoded, and of these given: code points, as in Python. */
  readonly decoded: number;
  readonly given: number;
}

/** The text of ids up to, and without, the first of `stops`. */
export function createTextStream(
  tokenizer: Pick<Tokenizer, "bytesOf">,
  stops: readonly string[] = [],
): TextStream {
  const stream = decodeStream(tokenizer);
  let held = "";
  let isStopped = false;
  let [decoded, given] = [0, 0];
  const give = (text: string): string => {
    given += lengthOf(text);
    return text;
  };
  const take = (text: string, isLast: boolean): string => {
    if (isStopped) return "";
    decoded += lengthOf(text);
    held += text;
    const at = firstOf(held, stops);
    if (at >= 0) {
      isStopped = true;
      return give(held.slice(0, at));
    }
    const certain = isLast ? held.length : held.length - couldBegin(held, stops);
    const shown = held.slice(0, certain);
    held = held.slice(certain);
    return give(shown);
  };
  return {
    push: (id) => take(stream.push(id), false),
    end: () => take(stream.end(), true),
    get isStopped() {
      return isStopped;
    },
    get decoded() {
      return decoded;
    },
    get given() {
      return given;
    },
  };
}

/** The characters of a text: code points. */
export function lengthOf(text: string): number {
  let length = 0;
  for (const _character of text) length += 1;
  return length;
}

/** Where the first stop text begins, or -1. */
function firstOf(text: string, stops: readonly string[]): number {
  const places = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  return places.length === 0 ? -1 : Math.min(...places);
}

/** How many of the last characters begin a stop text. */
function couldBegin(text: string, stops: readonly string[]): number {
  const longest = Math.max(0, ...stops.map((stop) => stop.length - 1));
  for (let length = Math.min(longest, text.length); length > 0; length -= 1) {
    const end = text.slice(text.length - length);
    if (stops.some((stop) => stop.startsWith(end))) return length;
  }
  return 0;
}
