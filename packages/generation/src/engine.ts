// What continues token sequences: a model with a KV cache, which has a row for each sequence. An engine does not
// remember how many tokens a row holds: its caller does.

/** A causal language model that continues several sequences at once. */
export interface Engine {
  readonly name: "native" | "onnx";
  readonly vocabularySize: number;
  /** The most tokens that a row can hold. */
  readonly maxPositions: number;
  /** Sequences that can be continued at once. */
  readonly rows: number;
  /**
   * Runs tokens through the model, each row's behind those that it holds, and caches their keys and values.
   * Returns the logits [rows, keep, vocabulary] of the last `keep` tokens of each row.
   */
  run(call: EngineCall): Promise<Float32Array>;
  /** Copies what row `from` holds to row `to`. */
  copyRow(from: number, to: number): void;
  close(): Promise<void>;
}

/** Tokens for some consecutive rows. */
export interface EngineCall {
  /** The rows firstRow to firstRow + lengths.length take part. */
  readonly firstRow: number;
  /**
   * Tokens that each row holds already. Fewer than were run before means that the last ones are dropped: all of them, or
   * where layers have a window no more than 63, since what was before the window is gone.
   */
  readonly lengths: readonly number[];
  /** New tokens [rows, time], as many for each row. */
  readonly ids: Int32Array;
  /** At least 1. */
  readonly keep: number;
}

/** What an engine must know of its model's configuration. */
export interface ModelSizes {
  readonly vocabularySize: number;
  readonly maxPositions: number;
}

/** Sizes of an engine, for which it allocates its cache. */
export interface EngineOptions {
  /** Sequences that can be continued at once. Default: 1. */
  readonly rows?: number;
  /** The most tokens that a row can hold. Default and limit: the model's positions. */
  readonly maxTokens?: number;
}

/** The sizes of an engine for a model. */
export const engineSizes = (
  { maxPositions }: Pick<ModelSizes, "maxPositions">,
  { rows = 1, maxTokens = maxPositions }: EngineOptions,
): Pick<Engine, "rows" | "maxPositions"> => ({
  rows,
  maxPositions: Math.min(maxPositions, maxTokens),
});
