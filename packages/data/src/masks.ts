// What the end of a document within a sample changes: Megatron's `--eod-mask-loss`, `--reset-position-ids` and
// `--reset-attention-mask`.

import { UserError } from "@tessera/config";

/** What ends of documents change. */
export interface MaskOptions {
  /** The id that ends a document. */
  readonly endOfDocument: number;
  /** No loss where the input is the end of a document: what follows cannot be predicted. */
  readonly maskLoss: boolean;
  /** Positions start again from 0 after it. */
  readonly resetPositions: boolean;
  /** Tokens attend only to tokens of their own document. */
  readonly resetAttention: boolean;
}

/** The same as flags say it. */
export interface MaskFlags extends Omit<MaskOptions, "endOfDocument"> {
  /** Of the tokenizer; null where it has none. */
  readonly endOfDocument: number | null;
  /** Name of the tokenizer, for the error message. */
  readonly tokenizer: string;
}

/**
 * The options that flags ask for; undefined for none.
 *
 * @throws UserError where some are asked for, and the tokenizer has no end of document.
 */
export function resolveMasks({
  endOfDocument,
  tokenizer,
  ...asked
}: MaskFlags): MaskOptions | undefined {
  if (!Object.values(asked).includes(true)) return undefined;
  if (endOfDocument !== null) return { endOfDocument, ...asked };
  throw new UserError(
    `--eod-mask-loss, --reset-position-ids and --reset-attention-mask: tokenizer ${tokenizer} has no ` +
      "id that ends a document",
  );
}

/** Masks [batch, time], row by row; null for those that documents do not change. */
export interface Masks {
  /** 1 where the target counts in the loss, else 0. */
  readonly lossMask: Float32Array | null;
  /** Position of each token in its document. */
  readonly positions: Int32Array | null;
  /** The first token of the row that each token attends to. */
  readonly starts: Int32Array | null;
}

const none: Masks = { lossMask: null, positions: null, starts: null };

/** The masks of `inputs` [batch, time]. The end of a document belongs to it. Default: no masks. */
export function maskDocuments(inputs: Int32Array, time: number, options?: MaskOptions): Masks {
  if (options === undefined) return none;
  const lossMask = options.maskLoss ? new Float32Array(inputs.length) : null; // [batch, time]
  const positions = options.resetPositions ? new Int32Array(inputs.length) : null; // [batch, time]
  const starts = options.resetAttention ? new Int32Array(inputs.length) : null; // [batch, time]
  let start = 0; // of the document, in its row
  for (let i = 0; i < inputs.length; i += 1) {
    const position = i % time;
    if (position === 0) start = 0;
    const isEnd = inputs[i] === options.endOfDocument;
    if (lossMask !== null) lossMask[i] = isEnd ? 0 : 1;
    if (positions !== null) positions[i] = position - start;
    if (starts !== null) starts[i] = start;
    if (isEnd) start = position + 1;
  }
  return { lossMask, positions, starts };
}
