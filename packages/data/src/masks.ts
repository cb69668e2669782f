// What a document's end inside a sample changes: Megatron's `--eod-mask-loss`,
// `--reset-position-ids` and `--reset-attention-mask`.

import { UserError } from "@tessera/config";

export interface MaskOptions {
  readonly endOfDocument: number;
  /** No loss where the input is the end of a document: what follows cannot be foretold. */
  readonly maskLoss: boolean;
  /** Positions begin anew after it. */
  readonly resetPositions: boolean;
  /** Tokens see those of their own document alone. */
  readonly resetAttention: boolean;
}

/** What flags ask for, by the names they have in Megatron. */
export interface MaskFlags extends Omit<MaskOptions, "endOfDocument"> {
  /** Of the tokenizer called `tokenizer`; null where it has none. */
  readonly endOfDocument: number | null;
  readonly tokenizer: string;
}

/** Undefined where nothing is asked for. Throws a UserError where documents have no ends. */
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

/** All [batch, time], row by row; null for what stays as it is without documents. */
export interface Masks {
  /** 1 where the loss counts the target, 0 where it does not. */
  readonly lossMask: Float32Array | null;
  readonly positions: Int32Array | null;
  /** The first token of its row that each token sees. */
  readonly starts: Int32Array | null;
}

const none: Masks = { lossMask: null, positions: null, starts: null };

/** For `inputs` [batch, time]. The end of a document still belongs to it. */
export function maskDocuments(inputs: Int32Array, time: number, options?: MaskOptions): Masks {
  if (options === undefined) return none;
  const lossMask = options.maskLoss ? new Float32Array(inputs.length) : null; // [batch, time]
  const positions = options.resetPositions ? new Int32Array(inputs.length) : null; // [batch, time]
  const starts = options.resetAttention ? new Int32Array(inputs.length) : null; // [batch, time]
  let start = 0; // of the document, in its row
  for (let i = 0; i < inputs.length; i += 1) {
    const place = i % time;
    if (place === 0) start = 0;
    const isEnd = inputs[i] === options.endOfDocument;
    if (lossMask !== null) lossMask[i] = isEnd ? 0 : 1;
    if (positions !== null) positions[i] = place - start;
    if (starts !== null) starts[i] = start;
    if (isEnd) start = place + 1;
  }
  return { lossMask, positions, starts };
}
