// Where each process stands among the parallel axes. Pure arithmetic: nothing here communicates.

/** The axes of a run: who shares layers, who shares samples, who shares each layer's products. */
export type Axis = "pipeline" | "data" | "tensor";

/** How many processes each axis spans. */
export type Degrees = Readonly<Record<Axis, number>>;

/** A process's place along each axis, each counted from 0. */
export type Coordinates = Readonly<Record<Axis, number>>;

/**
 * Outermost first, which is Megatron's rank order: tensor neighbours differ by one in rank, so
 * they share a node; pipeline neighbours are farthest apart.
 */
export const AXES: readonly Axis[] = ["pipeline", "data", "tensor"];

/** One process that does everything. */
export const single: Degrees = { pipeline: 1, data: 1, tensor: 1 };

export const worldSize = (degrees: Degrees): number =>
  AXES.reduce((size, axis) => size * degrees[axis], 1);

/** How far apart in rank two neighbours along `axis` are. */
const stride = (degrees: Degrees, axis: Axis): number =>
  AXES.slice(AXES.indexOf(axis) + 1).reduce((size, inner) => size * degrees[inner], 1);

export const coordinate = (degrees: Degrees, rank: number, axis: Axis): number =>
  Math.floor(rank / stride(degrees, axis)) % degrees[axis];

export const coordinates = (degrees: Degrees, rank: number): Coordinates => ({
  pipeline: coordinate(degrees, rank, "pipeline"),
  data: coordinate(degrees, rank, "data"),
  tensor: coordinate(degrees, rank, "tensor"),
});

/** The inverse of `coordinates`. */
export const rankAt = (degrees: Degrees, at: Coordinates): number =>
  AXES.reduce((rank, axis) => rank + at[axis] * stride(degrees, axis), 0);

/** The ranks that differ from `rank` only along `axis`, itself included, in order. */
export function members(degrees: Degrees, rank: number, axis: Axis): number[] {
  const step = stride(degrees, axis);
  const first = rank - coordinate(degrees, rank, axis) * step;
  return Array.from({ length: degrees[axis] }, (_, i) => first + i * step);
}
