// Ranges of text in UTF-8, and strings.

import { constants } from "node:buffer";
import { UserError } from "@tessera/config";
import { toByteText, type ByteText } from "./piece_table.js";

/** text[start, end). */
export interface TextRange {
  readonly text: ByteText;
  readonly start: number;
  readonly end: number;
}

/** The text of bytes[start, end). What is not UTF-8 becomes U+FFFD. Throws a UserError where it is too long. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > constants.MAX_STRING_LENGTH) {
    throw new UserError(
      `a text of ${end - start} bytes is too long for this tokenizer, which needs the whole text at once: split it`,
    );
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
}

/** `text` in memory of its own. */
export function encodeUtf8(text: string): TextRange {
  const bytes = Buffer.from(text, "utf8");
  return { text: toByteText(bytes), start: 0, end: bytes.length };
}
