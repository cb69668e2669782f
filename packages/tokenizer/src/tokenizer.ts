// The interface of tokenizers: text to token ids and back. All of ours are byte-level: each id stands for some bytes of
// UTF-8, so nothing is out of vocabulary.

import { TextDecoder } from "node:util";

/** Text to token ids and back. */
export interface Tokenizer {
  readonly name: string;
  /** Ids run from 0 to vocabularySize - 1. */
  readonly vocabularySize: number;
  /** The id between documents; null where the vocabulary has none. */
  readonly endOfText: number | null;
  /** The id that begins a text, and that which pads one, where the tokenizer's files name them. */
  readonly beginOfText?: number;
  readonly padding?: number;
  /** Ids of the tokens that were added to the vocabulary, special ones and others, by their text. */
  readonly addedTokens: ReadonlyMap<string, number>;
  /** What the tokenizer's file puts around a text, where `addSpecialTokens` asks for it. */
  readonly template: Template;
  /** The ids of `text`. A surrogate without its partner becomes U+FFFD, as everywhere in UTF-8. */
  encode(text: string, options?: EncodeOptions): Int32Array;
  /**
   * The text of `ids`; decode(encode(text)) is `text`. Bytes that are not UTF-8 and ids outside the vocabulary become
   * U+FFFD: an untrained model generates anything.
   */
  decode(ids: Iterable<number>): string;
  /** The bytes that `id` stands for, borrowed; undefined outside the vocabulary. */
  bytesOf(id: number): Uint8Array | undefined;
}

/** Ids around a text, such as that of its beginning. */
export interface Template {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export const NO_TEMPLATE: Template = { before: [], after: [] };

/** How text is encoded. */
export interface EncodeOptions {
  /** How text that looks like a special token is encoded: as text, as the token, or a UserError. Default: "text". */
  readonly special?: "text" | "allow" | "refuse";
  /** Puts the ids of the tokenizer's template around the text, as Hugging Face's does. Default: false. */
  readonly addSpecialTokens?: boolean;
}

/** Streaming decoder: a character is returned once its last byte is there. */
export interface TextStream {
  push(id: number): string;
  /** The rest: U+FFFD for an incomplete character. */
  end(): string;
}

const REPLACEMENT = new TextEncoder().encode("\ufffd");

/** Keeps a byte order mark, which is part of the text that was encoded. */
const utf8 = (): TextDecoder => new TextDecoder("utf-8", { ignoreBOM: true });

/** Decodes ids one by one, to print text while it is generated. */
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
