// Which columns of a parameter are which columns of the tensors of a file.

import type { HfFamily } from "./family.js";

/** Consecutive columns of a parameter, and the tensor that holds them. */
export interface ColumnBlock {
  readonly name: string;
  /** Of the whole tensor, as it is stored. */
  readonly shape: readonly number[];
  readonly isTransposed: boolean;
  readonly rows: number;
  readonly columns: number;
  /** Where they are in the parameter. */
  readonly own: ColumnOffset;
  /** Where they are in the tensor, as [in, out]. */
  readonly stored: ColumnOffset;
}

/** Columns from `first` on of a matrix that has `width`. */
export interface ColumnOffset {
  readonly first: number;
  readonly width: number;
}

/**
 * The blocks that the parameter at `path`, of shape `shape`, is stored as where there are `heads` heads. Throws where
 * `family` has no such parameter.
 */
export function columnBlocks(
  { family, heads }: { readonly family: HfFamily; readonly heads: number },
  path: string,
  shape: readonly number[],
): readonly ColumnBlock[] {
  const stored = family.nameOf(path);
  if (stored === undefined) throw new Error(`${family.modelType} has no parameter ${path}`);
  // A vector is one row: its columns may have groups too, as the biases of keys and values do.
  const isMatrix = !/\.(bias|gain)$/.test(path);
  const rows = isMatrix ? shape[0]! : 1;
  const width = shape.slice(isMatrix ? 1 : 0).reduce((a, b) => a * b, 1);
  const block = (name: string, columns: number, first: number, stored: ColumnOffset) => {
    const isTransposed = family.isTransposed(name);
    const matrix = isTransposed ? [stored.width, rows] : [rows, stored.width];
    const own = { first, width };
    return {
      name,
      shape: isMatrix ? matrix : [stored.width],
      isTransposed,
      rows,
      columns,
      own,
      stored,
    };
  };
  if (typeof stored === "string") {
    const only = block(stored, width, 0, { first: 0, width });
    return [only.isTransposed ? only : { ...only, shape }];
  }
  if ("fused" in stored) {
    const group = width / stored.count;
    const all = stored.of * group;
    if (stored.perHead === undefined) {
      return [block(stored.fused, width, 0, { first: stored.first * group, width: all })];
    }
    const columns = group / heads;
    return Array.from({ length: stored.count * heads }, (_, i) => {
      const [part, head] = [Math.floor(i / heads), i % heads];
      const first = (head * stored.of + stored.first + part) * columns;
      return block(stored.fused, columns, i * columns, { first, width: all });
    });
  }
  const columns = width / stored.length;
  return stored.map((name, i) => block(name, columns, i * columns, { first: 0, width: columns }));
}

/** Whether the tensor is the parameter, element for element. */
export const isWholeTensor = ({ isTransposed, columns, own, stored }: ColumnBlock): boolean =>
  !isTransposed && columns === own.width && columns === stored.width;

/** So many rows fit into the L1 cache, whether they are walked by row or by column. */
const BAND = 32;

/** `matrix` [rows, columns] as [columns, rows]. */
export function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(matrix.length);
  for (let top = 0; top < rows; top += BAND) {
    const bottom = Math.min(rows, top + BAND);
    for (let column = 0; column < columns; column += 1) {
      for (let row = top; row < bottom; row += 1) {
        out[column * rows + row] = matrix[row * columns + column]!;
      }
    }
  }
  return out;
}

/** `make`, which is not called again for the key that it was just called for. */
export function rememberLast<K, V>(make: (key: K) => V): (key: K) => V {
  let last: { readonly key: K; readonly value: V } | undefined;
  return (key) => {
    if (last === undefined || last.key !== key) last = { key, value: make(key) };
    return last.value;
  };
}

/** Copies `count` columns of every row of one matrix into another. */
export function copyColumns(
  from: { readonly values: Float32Array } & ColumnOffset,
  to: { readonly values: Float32Array } & ColumnOffset,
  rows: number,
  count: number,
): void {
  for (let row = 0; row < rows; row += 1) {
    const start = row * from.width + from.first;
    to.values.set(from.values.subarray(start, start + count), row * to.width + to.first);
  }
}
