// Finds special tokens in a text.

import { UserError } from "@tessera/config";
import type { BpeModel } from "./model.js";

export interface FoundSpecial {
  readonly start: number;
  readonly end: number;
  readonly id: number;
}

/** Finds the special tokens in bytes, the longest at each position. In mode "refuse" the first throws a UserError. */
export function createSpecialFinder(specials: BpeModel["specials"]) {
  // Bytes as Latin-1, so that an index in the string is one in the bytes.
  const idOf = new Map(
    Object.entries(specials).map(([text, id]) => [Buffer.from(text).toString("latin1"), id]),
  );
  const longestFirst = [...idOf.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(longestFirst.map(escapeRegExp).join("|"), "g");
  return function* find(bytes: Uint8Array, mode: "allow" | "refuse"): Generator<FoundSpecial> {
    if (idOf.size === 0) return;
    const { buffer, byteOffset, byteLength } = bytes;
    const text = Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
    for (const { 0: found, index } of text.matchAll(pattern)) {
      if (mode === "refuse") {
        throw new UserError(
          `the text has the special token ${Buffer.from(found, "latin1").toString()} at byte ` +
            `${index}: remove it, or say that special tokens are allowed or are text`,
        );
      }
      yield { start: index, end: index + found.length, id: idOf.get(found)! };
    }
  };
}

const escapeRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
