// Where each process stands on a mesh of named axes. Pure arithmetic: nothing here communicates.

/** One axis of a mesh. */
export interface MeshAxis {
  /** "data", "tensor", or a name of your own. */
  readonly name: string;
  /** How many processes it spans. */
  readonly degree: number;
}

/**
 * Axes, outermost first: neighbours along the last one differ by one in rank, so they share a node. In Megatron's
 * order these are pipeline, data, tensor.
 */
export type Mesh = readonly MeshAxis[];

/** A process's position along each axis, counted from 0. */
export type Coordinates = Readonly<Record<string, number>>;

export const worldSize = (mesh: Mesh): number =>
  mesh.reduce((size, { degree }) => size * degree, 1);

/** How far apart in rank two neighbours along the axis at `index` are. */
const stride = (mesh: Mesh, index: number): number => worldSize(mesh.slice(index + 1));

function indexOf(mesh: Mesh, name: string): number {
  const index = mesh.findIndex((axis) => axis.name === name);
  if (index >= 0) return index;
  throw new RangeError(
    `the mesh has no axis ${name}: it has ${mesh.map((axis) => axis.name).join()}`,
  );
}

/** The position of `rank` along the axis `name`. */
export function coordinate(mesh: Mesh, rank: number, name: string): number {
  const index = indexOf(mesh, name);
  return Math.floor(rank / stride(mesh, index)) % mesh[index]!.degree;
}

export const coordinates = (mesh: Mesh, rank: number): Coordinates =>
  Object.fromEntries(mesh.map(({ name }) => [name, coordinate(mesh, rank, name)]));

/** The inverse of `coordinates`. */
export const rankAt = (mesh: Mesh, at: Coordinates): number =>
  mesh.reduce((rank, { name }, index) => rank + at[name]! * stride(mesh, index), 0);

/** The ranks that differ from `rank` only along the axis `name`, itself included, in order. */
export function members(mesh: Mesh, rank: number, name: string): number[] {
  const index = indexOf(mesh, name);
  const step = stride(mesh, index);
  const first = rank - coordinate(mesh, rank, name) * step;
  return Array.from({ length: mesh[index]!.degree }, (_, i) => first + i * step);
}

/** "pipeline 2 x data 2 x tensor 4". */
export const describeMesh = (mesh: Mesh): string =>
  mesh.map(({ name, degree }) => `${name} ${degree}`).join(" x ");
