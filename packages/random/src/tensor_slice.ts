// A slice: the part of a larger tensor that a rank holds. Random tensors are defined over the full tensor,
// so each rank samples exactly the elements of its slice.

/** A box of `size` at `start` in a tensor of `shape`, all in elements per dimension. */
export interface TensorSlice {
  /** Of the full tensor. */
  readonly shape: readonly number[];
  /** The first index of the slice in each dimension. */
  readonly start: readonly number[];
  /** Number of indices of the slice in each dimension. */
  readonly size: readonly number[];
}

/** Elements that are contiguous both in the full tensor and in the slice. */
export interface Run {
  /** Row-major index of the first element in the full tensor. */
  readonly offset: number;
  /** Index of the first element in the slice. */
  readonly sliceOffset: number;
  readonly length: number;
}

/** The slice that is all of a tensor. */
export const fullSlice = (shape: readonly number[]): TensorSlice => ({
  shape,
  start: shape.map(() => 0),
  size: shape,
});

/**
 * The contiguous runs of a slice, in its order: as few and as long as its shape allows. `from`, `to`: yields
 * only elements [from, to) of the slice. Default: all.
 */
export function* contiguousRuns(
  { shape, start, size }: TensorSlice,
  from = 0,
  to = Infinity,
): Generator<Run> {
  // Trailing dimensions that are taken in full merge into one run with the one before them.
  let inner = shape.length;
  let length = 1;
  let width = 1;
  while (inner > 0 && length === width) {
    inner -= 1;
    length *= size[inner]!;
    width *= shape[inner]!;
  }
  const offset = shape.reduce((index, extent, i) => index * extent + start[i]!, 0);
  const stride = (dim: number) => shape.slice(dim + 1).reduce((a, b) => a * b, 1);
  const outer = size.slice(0, inner);
  const count = outer.reduce((a, b) => a * b, 1);
  const end = Math.min(to, count * length);
  for (let at = from; at < end;) {
    const n = Math.floor(at / length);
    const skipped = at - n * length;
    let rest = n;
    let first = offset + skipped;
    for (let dim = inner - 1; dim >= 0; dim -= 1) {
      first += (rest % outer[dim]!) * stride(dim);
      rest = Math.floor(rest / outer[dim]!);
    }
    const taken = Math.min(length - skipped, end - at);
    yield { offset: first, sliceOffset: at, length: taken };
    at += taken;
  }
}
