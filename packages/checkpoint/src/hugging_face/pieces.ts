// How the columns of a parameter lie in the tensors of a layout.

import type { Layout } from "./layout.js";

/** Some columns of a parameter, and the tensor that has them. */
export interface Piece {
  readonly name: string;
  /** Of the tensor, as it is stored. */
  readonly shape: readonly number[];
  readonly isTransposed: boolean;
  /** Of both, where each row is in one place. */
  readonly rows: number;
  readonly columns: number;
  /** The first of them in the parameter, and the parameter's width. */
  readonly own: Columns;
  /** The first of them in the tensor, and the tensor's width. */
  readonly stored: Columns;
}

export interface Columns {
  readonly first: number;
  readonly width: number;
}

/** Where the parameter at `path`, of shape `shape`, lies. Throws where the layout has no place for it. */
export function piecesOf(layout: Layout, path: string, shape: readonly number[]): readonly Piece[] {
  const place = layout.placeOf(path);
  if (place === undefined)
    throw new Error(`${path} has no place in the layout of ${layout.modelType}`);
  // A vector may have meanings along it, as the biases of keys and of values do.
  const isMatrix = !/\.(bias|gain)$/.test(path);
  const rows = isMatrix ? shape[0]! : 1;
  const width = shape.slice(isMatrix ? 1 : 0).reduce((a, b) => a * b, 1);
  const piece = (name: string, columns: number, first: number, stored: Columns): Piece => {
    const isTransposed = layout.isTransposed(name);
    const matrix = isTransposed ? [stored.width, rows] : [rows, stored.width];
    return {
      name,
      shape: isMatrix ? matrix : [stored.width],
      isTransposed,
      rows,
      columns,
      own: { first, width },
      stored,
    };
  };
  if (typeof place === "string") {
    const whole = piece(place, width, 0, { first: 0, width });
    return [whole.isTransposed ? whole : { ...whole, shape }];
  }
  if ("within" in place) {
    const group = width / place.count;
    const stored = { first: place.first * group, width: place.of * group };
    return [piece(place.within, width, 0, stored)];
  }
  const columns = width / place.length;
  return place.map((name, i) => piece(name, columns, i * columns, { first: 0, width: columns }));
}

/** Whether the tensor is the parameter, element for element. */
export const isWhole = ({ isTransposed, columns, own, stored }: Piece): boolean =>
  !isTransposed && columns === own.width && columns === stored.width;

/** So many rows fit into a processor's nearest cache, whichever way they are walked. */
const BAND = 32;

/** `matrix` [rows, columns] as [columns, rows]. */
export function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
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

/** Copies `count` columns of every row of one matrix into another. */
export function copyColumns(
  from: { readonly values: Float32Array } & Columns,
  to: { readonly values: Float32Array } & Columns,
  rows: number,
  count: number,
): void {
  for (let row = 0; row < rows; row += 1) {
    const start = row * from.width + from.first;
    to.values.set(from.values.subarray(start, start + count), row * to.width + to.first);
  }
}
