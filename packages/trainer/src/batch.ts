// Rows of tokens as tensors.

import { dispose, fill, tensor } from "@tensorflow/tfjs-core";
import type { Batch as Rows } from "@tessera/data";
import type { TokenBatch } from "@tessera/model";

/** `rows`, each token that counts counting `weight`. The caller owns it. */
export function makeBatch(rows: Rows, weight: number): TokenBatch {
  const { inputs, targets, lossMask, positions, starts, batch, time } = rows;
  const shape: [number, number] = [batch, time];
  return {
    ids: tensor(inputs, shape, "int32"),
    targets: {
      ids: tensor(targets, shape, "int32"),
      weights:
        lossMask === null
          ? fill(shape, weight)
          : tensor(
              lossMask.map((counts) => counts * weight),
              shape,
            ),
    },
    ...(positions !== null && { positions: tensor(positions, shape, "int32") }),
    ...(starts !== null && { starts: tensor(starts, shape, "int32") }),
  };
}

/** How many tokens of `rows` the loss counts. */
export const countedTokens = ({ inputs, lossMask }: Rows): number =>
  lossMask === null ? inputs.length : lossMask.reduce((sum, counts) => sum + counts, 0);

/** Frees the tensors of a batch. */
export function disposeBatch({ ids, targets, positions, starts }: TokenBatch): void {
  dispose([ids, targets.ids, targets.weights, positions ?? [], starts ?? []]);
}
