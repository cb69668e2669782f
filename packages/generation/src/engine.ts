// What continues token sequences: a model with a cache of keys and values, a row for each sequence.
// An engine has no opinion on what a row holds: whoever calls it keeps count.

import type { GptConfig } from "@tessera/gpt";

export interface Engine {
  readonly name: "native" | "onnx";
  readonly vocabularySize: number;
  /** The most tokens that a row can hold. */
  readonly maxPositions: number;
  /** Sequences that can be continued at once. */
  readonly rows: number;
  /**
   * Runs tokens through the model, each row's after those it holds, and keeps their keys and values.
   * Gives the logits [rows, keep, vocabulary] of what follows the last `keep` tokens of each row.
   */
  run(call: EngineCall): Promise<Float32Array>;
  /** Gives row `to` what row `from` holds. */
  copyRow(from: number, to: number): void;
  close(): Promise<void>;
}

export interface EngineCall {
  /** The rows firstRow to firstRow + lengths.length take part. */
  readonly firstRow: number;
  /** Tokens that each holds already. Fewer than were run means that the last are forgotten. */
  readonly lengths: readonly number[];
  /** New tokens [rows, time], as many for each row. */
  readonly ids: Int32Array;
  /** At least 1. */
  readonly keep: number;
}

export interface EngineOptions {
  /** Sequences that can be continued at once; 1 unless it is said. */
  readonly rows?: number;
  /** The most tokens that a row can hold: as many as the model has positions, unless it is fewer. */
  readonly maxTokens?: number;
}

/** What engines of such a model have room for. */
export const roomOf = (
  { maxPositions }: GptConfig,
  { rows = 1, maxTokens = maxPositions }: EngineOptions,
): Pick<Engine, "rows" | "maxPositions"> => ({
  rows,
  maxPositions: Math.min(maxPositions, maxTokens),
});
