// The token embedding, with or without one of positions: where ids become activations.

import { add, range, reshape, slice, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { addEmbedGradient, call, embed, embedGradient, sumRows } from "@tessera/kernels";
import type { Source } from "./ends.js";
import type { LateGradient } from "./gradient.js";
import { matrix } from "./spec.js";

export type EmbeddingParams = { readonly token: Tensor; readonly position?: Tensor };
export type EmbeddingSaved = { readonly ids: Tensor };

export interface EmbeddingOptions {
  readonly vocabulary: number;
  /** Positions that are learned: the longest sequence; null where the model knows them otherwise. */
  readonly positions: number | null;
  readonly width: number;
  readonly deviation: number;
}

/** ids [batch, time] (int32) -> y [batch, time, width] = token[ids], plus position[0..time) if learned. */
export const embedding = (options: EmbeddingOptions): Source<EmbeddingParams, EmbeddingSaved> => ({
  spec: {
    token: matrix([options.vocabulary, options.width], 0, options.deviation),
    ...(options.positions !== null && {
      position: matrix([options.positions, options.width], null, options.deviation),
    }),
  },
  forward({ token, position }, ids) {
    const time = ids.shape[1]!;
    const y = tidy(() => {
      const rows = call(embed, { table: token, ids }, {}).y;
      if (position === undefined) return rows;
      return add(rows, slice(position, [0, 0], [time, options.width]));
    });
    return [y, { ids: ids.clone() }];
  },
  backward({ token, position }, { ids }, dy, sink) {
    sink.token(tableGradientOf(ids, dy.clone(), token.shape[0]));
    if (position !== undefined) sink.position!(positionGradientOf(dy, position.shape[0]));
  },
});

/** The sums of dy [batch, time, width] per position, as the first of `rows` rows. */
const positionGradientOf = (dy: Tensor, rows: number): Tensor =>
  tidy(() => {
    const [batch, time, width] = dy.shape as [number, number, number];
    const perPosition = call(sumRows, { dy: reshape(dy, [batch, time * width]) }, {}).dBias;
    const named = { ids: range(0, time, 1, "int32"), dy: reshape(perPosition, [time, width]) };
    return call(embedGradient, named, { rows }).dTable;
  });

/** The sums of dy's rows per id, once they are wanted. Owns both. */
function tableGradientOf(ids: Tensor, dy: Tensor, rows: number): LateGradient {
  const use = (make: () => Tensor): Tensor => {
    const made = make();
    ids.dispose();
    dy.dispose();
    return made;
  };
  return {
    alone: () => use(() => call(embedGradient, { ids, dy }, { rows }).dTable),
    addedTo: (sum) => use(() => call(addEmbedGradient, { sum, ids, dy }, {}).total),
  };
}
