// A mesh of named parallel axes, and the coordinates of each rank on it. Pure arithmetic: nothing here communicates.

/** One axis of a mesh. */
export interface MeshAxis {
  /** "data", "tensor", or a custom name. */
  readonly name: string;
  /** Number of ranks along it. */
  readonly degree: number;
}

/**
 * Axes, outermost first. Neighbours along the last one have consecutive ranks, so they are on one node. Megatron-LM's
 * order is pipeline, data, tensor.
 */
export type Mesh = readonly MeshAxis[];

/** A rank's position along each axis, from 0, by the axis's name. */
export type Coordinates = Readonly<Record<string, number>>;

/** Number of ranks. */
export const worldSize = (mesh: Mesh): number =>
  mesh.reduce((size, { degree }) => size * degree, 1);

/** The difference in rank of two neighbours along the axis at `index`. */
const stride = (mesh: Mesh, index: number): number => worldSize(mesh.slice(index + 1));

function indexOf(mesh: Mesh, name: string): number {
  const index = mesh.findIndex((axis) => axis.name === name);
  if (index >= 0) return index;
  throw new RangeError(
    `the mesh has no axis ${name}: it has ${mesh.map((axis) => axis.name).join(", ")}`,
  );
}

/**
 * The position of `rank` along the axis `name`.
 * @throws RangeError where the mesh does not have the axis.
 */
export function coordinate(mesh: Mesh, rank: number, name: string): number {
  const index = indexOf(mesh, name);
  return Math.floor(rank / stride(mesh, index)) % mesh[index]!.degree;
}

/** The position of `rank` along every axis. */
export const coordinates = (mesh: Mesh, rank: number): Coordinates =>
  Object.fromEntries(mesh.map(({ name }) => [name, coordinate(mesh, rank, name)]));

/** The inverse of `coordinates`. */
export const rankAt = (mesh: Mesh, position: Coordinates): number =>
  mesh.reduce((rank, { name }, index) => rank + position[name]! * stride(mesh, index), 0);

/**
 * The ranks of the process group of `rank` along the axis `name`, in order: those with the same position along all
 * other axes.
 * @throws RangeError where the mesh does not have the axis.
 */
export function members(mesh: Mesh, rank: number, name: string): number[] {
  const index = indexOf(mesh, name);
  const step = stride(mesh, index);
  const first = rank - coordinate(mesh, rank, name) * step;
  return Array.from({ length: mesh[index]!.degree }, (_, i) => first + i * step);
}

/** As in log lines: "pipeline 2 x data 2 x tensor 4". */
export const describeMesh = (mesh: Mesh): string =>
  mesh.map(({ name, degree }) => `${name} ${degree}`).join(" x ");
