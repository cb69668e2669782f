// Matrices that share one wider matrix, each with some of its columns.

/** Columns [start, start + count) of `wide` [rows, of], where all are in units of `unit` values. */
export function takeColumns(
  wide: Float32Array,
  { start, count, of }: { start: number; count: number; of: number },
  unit: number,
): Float32Array {
  const rows = wide.length / (of * unit);
  const out = new Float32Array(rows * count * unit);
  for (let row = 0; row < rows; row += 1) {
    const from = (row * of + start) * unit;
    out.set(wide.subarray(from, from + count * unit), row * count * unit);
  }
  return out;
}

/** The inverse of `takeColumns`: writes `columns` to their place in `wide`. */
export function putColumns(
  wide: Float32Array,
  columns: Float32Array,
  { start, count, of }: { start: number; count: number; of: number },
  unit: number,
): void {
  const rows = wide.length / (of * unit);
  for (let row = 0; row < rows; row += 1) {
    const part = columns.subarray(row * count * unit, (row + 1) * count * unit);
    wide.set(part, (row * of + start) * unit);
  }
}
