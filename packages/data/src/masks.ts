// What a document's end inside a sample changes: Megatron's `--eod-mask-loss`,
// `--reset-position-ids` and `--reset-attention-mask`.

export interface MaskOptions {
  readonly endOfDocument: number;
  /** No loss where the input is the end of a document: what follows cannot be foretold. */
  readonly maskLoss: boolean;
  /** Positions begin anew after it. */
  readonly resetPositions: boolean;
  /** Tokens see those of their own document alone. */
  readonly resetAttention: boolean;
}

/** All [batch, time], row by row. */
export interface Masks {
  readonly loss: Float32Array;
  readonly positions: Int32Array;
  /** Which document of its row a token belongs to, from 0; all 0 without `resetAttention`. */
  readonly documents: Int32Array;
}

/** For `inputs` [batch, time]. The end of a document still belongs to it. */
export function maskDocuments(inputs: Int32Array, time: number, options: MaskOptions): Masks {
  const loss = new Float32Array(inputs.length).fill(1); // [batch, time]
  const positions = new Int32Array(inputs.length); // [batch, time]
  const documents = new Int32Array(inputs.length); // [batch, time]
  let start = 0;
  let document = 0;
  for (let i = 0; i < inputs.length; i += 1) {
    if (i % time === 0) {
      start = i;
      document = 0;
    }
    positions[i] = i - start;
    documents[i] = document;
    if (inputs[i] !== options.endOfDocument) continue;
    if (options.maskLoss) loss[i] = 0;
    if (options.resetPositions) start = i + 1;
    if (options.resetAttention) document += 1;
  }
  return { loss, positions, documents };
}
