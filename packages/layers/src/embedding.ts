// Token and position embeddings: where ids become activations.

import { add, range, reshape, slice, tensor, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { addEmbedGradient, call, embed, embedGradient, sumRows } from "@tessera/kernels";
import type { Source } from "./ends.js";
import type { LateGradient } from "./gradient.js";
import { matrix } from "./spec.js";

export type EmbeddingParams = { readonly token: Tensor; readonly position: Tensor };
export type EmbeddingSaved = { readonly ids: Tensor };

export interface EmbeddingOptions {
  readonly vocabulary: number;
  /** Positions there are: the longest sequence. */
  readonly positions: number;
  readonly width: number;
  readonly deviation: number;
}

/** ids [batch, time] (int32) -> y [batch, time, width] = token[ids] + position[0..time). */
export const embedding = (options: EmbeddingOptions): Source<EmbeddingParams, EmbeddingSaved> => ({
  spec: {
    token: matrix([options.vocabulary, options.width], 0, options.deviation),
    position: matrix([options.positions, options.width], null, options.deviation),
  },
  forward({ token, position }, ids, { past }) {
    const time = ids.shape[1]!;
    const y = tidy(() => {
      const rows = call(embed, { table: token, ids }, {}).y;
      const places = past
        ? call(embed, { table: position, ids: placesOf(past.lengths, time) }, {}).y
        : slice(position, [0, 0], [time, options.width]);
      return add(rows, places);
    });
    return [y, { ids: ids.clone() }];
  },
  backward({ token, position }, { ids }, dy, sink) {
    const [batch, time, width] = dy.shape as [number, number, number];
    sink.token(tableGradientOf(ids, dy.clone(), token.shape[0]));
    sink.position(
      tidy(() => {
        const perPosition = call(sumRows, { dy: reshape(dy, [batch, time * width]) }, {}).dBias;
        const rows = { ids: range(0, time, 1, "int32"), dy: reshape(perPosition, [time, width]) };
        return call(embedGradient, rows, { rows: position.shape[0] }).dTable;
      }),
    );
  },
});

/** The positions [batch, time] of tokens that come after `lengths` others. */
const placesOf = (lengths: readonly number[], time: number): Tensor =>
  add(tensor([...lengths], [lengths.length, 1], "int32"), range(0, time, 1, "int32"));

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
