// Unicode normalization of text in UTF-8.

import { UserError } from "@tessera/config";
import { decodeUtf8, encodeUtf8, type TextRange } from "./utf8.js";

export const normalForms = ["NFC", "NFD", "NFKC", "NFKD"] as const;
/** A normal form of Unicode, by the name that tokenizer.json has for it. */
export type NormalForm = (typeof normalForms)[number];

/** `text` in each of `forms`, one after the other. Throws a UserError where that is too long. */
export function normalizeText(text: string, forms: readonly NormalForm[]): string {
  try {
    return forms.reduce((some, form) => some.normalize(form), text);
  } catch {
    throw new UserError("a text is too long for the tokenizer's normalizer, split it");
  }
}

/** The range itself where it is in these forms already, else new bytes. */
export function normalizeRange(range: TextRange, forms: readonly NormalForm[]): TextRange {
  const { text, start, end } = range;
  if (isAscii(text.bytes, start, end)) return range;
  const given = decodeUtf8(text.bytes, start, end);
  const normal = normalizeText(given, forms);
  if (normal === given) return range;
  return encodeUtf8(normal);
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (bytes[at]! >= 0x80) return false;
  return true;
}
