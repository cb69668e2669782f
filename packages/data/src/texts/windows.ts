// A long array of tokens as samples: consecutive windows, in which each target is the token after its input.

import { UserError } from "@tessera/config";
import type { Samples } from "../samples.js";
import type { TokenArray } from "./tokenize_texts.js";

/** Samples that are windows of one array. */
export interface TokenWindows extends Samples {
  readonly tokens: TokenArray;
}

/**
 * The windows of `length` inputs in `tokens`, which is borrowed. Window i has the length + 1 tokens from i x length on:
 * its last target is the first input of the next window. Tokens after the last complete window are dropped.
 *
 * @throws UserError that says `name`, where there is no window.
 */
export function tokenWindows(tokens: TokenArray, length: number, name = "the text"): TokenWindows {
  if (!Number.isSafeInteger(length) || length < 1) {
    throw new UserError(`a window of ${length} tokens: must be a whole number, at least 1`);
  }
  const count = Math.floor((tokens.length - 1) / length);
  if (count < 1) {
    throw new UserError(
      `${name} has ${tokens.length} tokens, but one window of ${length} needs ${length + 1}: ` +
        "give more text or a shorter window",
    );
  }
  return {
    tokens,
    count,
    length,
    read: (index, out) => {
      if (!(Number.isInteger(index) && index >= 0 && index < count)) {
        throw new RangeError(`window ${index}: there are ${count}, from 0`);
      }
      out.set(tokens.subarray(index * length, (index + 1) * length + 1));
    },
  };
}

/** Training and validation samples of one text. */
export interface SplitWindows {
  readonly train: TokenWindows;
  /** Null where the fraction is 0. */
  readonly validation: TokenWindows | null;
}

/**
 * Windows to train on and, from the end of the text, windows to validate on. `validation` is the fraction of tokens for
 * validation, in [0, 1).
 *
 * @throws UserError where either part is shorter than one window.
 */
export function splitWindows(
  tokens: TokenArray,
  { length, validation }: { readonly length: number; readonly validation: number },
): SplitWindows {
  if (!(validation >= 0 && validation < 1)) {
    throw new UserError(`the validation fraction is ${validation}: must be from 0 to below 1`);
  }
  const boundary = Math.floor(tokens.length * (1 - validation));
  const part = (first: number, end: number, share: string) =>
    tokenWindows(tokens.subarray(first, end), length, `the ${share} part of the text`);
  return {
    train: part(0, boundary, "training"),
    validation: validation === 0 ? null : part(boundary, tokens.length, "validation"),
  };
}
