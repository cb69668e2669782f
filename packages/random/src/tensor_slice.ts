// A window: the part of a larger tensor that somebody holds. Random tensors are defined over the
// whole, so each holder of a window draws exactly its own elements.

/** A box of `size` at `start` inside a tensor of shape `whole`, all in elements per dimension. */
export interface TensorSlice {
  readonly shape: readonly number[];
  readonly start: readonly number[];
  readonly size: readonly number[];
}

/** A stretch of elements that lie side by side, both in the whole and in the window. */
export interface Run {
  /** Row-major index in the whole of the stretch's first element. */
  readonly offset: number;
  /** Where the stretch begins in the window. */
  readonly sliceOffset: number;
  readonly length: number;
}

export const fullSlice = (shape: readonly number[]): TensorSlice => ({
  shape: shape,
  start: shape.map(() => 0),
  size: shape,
});

/**
 * The window as stretches, in the window's order: as few and as long as its shape allows. Of a window's
 * elements [from, to), in its order, where they are given.
 */
export function* contiguousRuns(
  { shape: whole, start, size }: TensorSlice,
  from = 0,
  to = Infinity,
): Generator<Run> {
  // Trailing dimensions that are taken whole join into one stretch with the one before them.
  let inner = whole.length;
  let length = 1;
  let width = 1;
  while (inner > 0 && length === width) {
    inner -= 1;
    length *= size[inner]!;
    width *= whole[inner]!;
  }
  const offset = whole.reduce((index, extent, i) => index * extent + start[i]!, 0);
  const stride = (dim: number) => whole.slice(dim + 1).reduce((a, b) => a * b, 1);
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
