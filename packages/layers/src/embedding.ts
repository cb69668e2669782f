// Token and position embeddings: where ids become activations.

import { add, range, reshape, slice, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { addEmbedGradient, call, embed, embedGradient, sumRows } from "@tessera/kernels";
import type { Source } from "./ends.js";
import type { LateGradient } from "./gradient.js";
import { matrix } from "./spec.js";
import type { Step } from "./step.js";

export type EmbeddingParams = { readonly token: Tensor; readonly position: Tensor };
export type EmbeddingSaved = { readonly ids: Tensor };

export interface EmbeddingOptions {
  readonly vocabulary: number;
  /** Positions there are: the longest sequence. */
  readonly positions: number;
  readonly width: number;
  readonly deviation: number;
}

/** ids [batch, time] (int32) -> y [batch, time, width] = token[ids] + position[each token's position]. */
export const embedding = (options: EmbeddingOptions): Source<EmbeddingParams, EmbeddingSaved> => ({
  spec: {
    token: matrix([options.vocabulary, options.width], 0, options.deviation),
    position: matrix([options.positions, options.width], null, options.deviation),
  },
  forward({ token, position }, ids, at) {
    const y = tidy(() => {
      const rows = call(embed, { table: token, ids }, {}).y;
      return add(rows, positionRows(position, ids.shape[1]!, at));
    });
    return [y, { ids: ids.clone() }];
  },
  backward({ token, position }, { ids }, dy, sink, at) {
    sink.token(tableGradientOf(ids, dy.clone(), token.shape[0]));
    sink.position(positionGradient(dy, position.shape[0], at));
  },
});

/** What each token's position adds: [batch, time, width], or [time, width] where all rows are alike. */
const positionRows = (table: Tensor, time: number, { positions }: Step): Tensor =>
  positions === undefined
    ? slice(table, [0, 0], [time, table.shape[1]!])
    : call(embed, { table, ids: positions }, {}).y;

/** The gradient of a table of `rows` positions. */
function positionGradient(dy: Tensor, rows: number, { positions }: Step): Tensor {
  if (positions !== undefined) return call(embedGradient, { ids: positions, dy }, { rows }).dTable;
  const [batch, time, width] = dy.shape as [number, number, number];
  return tidy(() => {
    const summed = call(sumRows, { dy: reshape(dy, [batch, time * width]) }, {}).dBias;
    const perPosition = { ids: range(0, time, 1, "int32"), dy: reshape(summed, [time, width]) };
    return call(embedGradient, perPosition, { rows }).dTable;
  });
}

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
