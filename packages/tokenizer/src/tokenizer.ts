// What every tokenizer is: text to token ids and back. All of ours are byte-level, so each id
// stands for some bytes of UTF-8, and no text is outside their reach.

import { TextDecoder } from "node:util";

export interface Tokenizer {
  readonly name: string;
  /** Ids run from 0 to vocabularySize - 1. */
  readonly vocabularySize: number;
  /** The id that stands between two documents, if the vocabulary has one. */
  readonly endOfText: number | null;
  /** The ids of `text`. A surrogate without its partner becomes U+FFFD, as everywhere in UTF-8. */
  encode(text: string, options?: EncodeOptions): Int32Array;
  /**
   * The text of `ids`; decode(encode(text)) is `text`. Bytes that are not UTF-8, and ids outside
   * the vocabulary, become U+FFFD, since an untrained model may say anything.
   */
  decode(ids: Iterable<number>): string;
  /** The bytes that `id` stands for, borrowed; undefined outside the vocabulary. */
  bytesOf(id: number): Uint8Array | undefined;
}

export interface EncodeOptions {
  /**
   * What is made of text that looks like a special token: text (the default), the token, or a
   * UserError.
   */
  readonly special?: "text" | "allow" | "refuse";
}

/** Text that grows as ids arrive: a character is returned once its last byte is there. */
export interface TextStream {
  push(id: number): string;
  /** What is left: U+FFFD where a character was cut short. */
  end(): string;
}

const REPLACEMENT = new TextEncoder().encode("\ufffd");

/** Keeps a byte order mark: it is part of the text that was encoded. */
const utf8 = (): TextDecoder => new TextDecoder("utf-8", { ignoreBOM: true });

/** Decodes ids one by one, to print a sample while it is generated. */
export function decodeStream(tokenizer: Pick<Tokenizer, "bytesOf">): TextStream {
  const decoder = utf8();
  return {
    push: (id) => decoder.decode(tokenizer.bytesOf(id) ?? REPLACEMENT, { stream: true }),
    end: () => decoder.decode(),
  };
}

/** Decodes ids at once. */
export function decodeAll(
  bytesOf: (id: number) => Uint8Array | undefined,
  ids: Iterable<number>,
): string {
  const parts: Uint8Array[] = [];
  for (const id of ids) parts.push(bytesOf(id) ?? REPLACEMENT);
  return utf8().decode(Buffer.concat(parts));
}
