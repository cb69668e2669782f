// Trees: plain nested records, like JAX's pytrees. Parameters, gradients, optimizer state and specs have the same
// structure, so a few functions serve them all.

import type { Tensor } from "@tensorflow/tfjs-core";
import { discardGradient, isDiscarded, type Gradient } from "./gradient.js";

/** A nested record with leaves of type `L`. */
export type TreeOf<L> = L | { readonly [name: string]: TreeOf<L> };

/** A tree of tensors. */
export type Tree = TreeOf<Tensor>;

/** The tree `P` with every tensor replaced by `L`. */
export type Like<P, L> = P extends Tensor ? L : { readonly [K in keyof P]: Like<P[K], L> };

/** One function per leaf of `P`, which consumes that leaf's gradient. */
export type GradientSink<P> = Like<P, (gradient: Gradient) => void>;

/** A leaf of a tree, and its path: names joined by dots. */
export type Leaf<L> = readonly [path: string, leaf: L];

/** Leaves are numbers, functions, and what has a shape: tensors and specs. */
const isBranch = (node: unknown): node is Readonly<Record<string, unknown>> =>
  typeof node === "object" && node !== null && !("shape" in node && Array.isArray(node.shape));

/** The path of `name` below `path`, which is "" at the root. */
export const joinPath = (path: string, name: string): string =>
  path === "" ? name : `${path}.${name}`;

/** All leaves, depth first. */
export function leaves<L>(tree: TreeOf<L>): Leaf<L>[] {
  const collected: Leaf<L>[] = [];
  collectLeaves(tree, "", collected);
  return collected;
}

function collectLeaves<L>(tree: TreeOf<L>, path: string, into: Leaf<L>[]): void {
  if (!isBranch(tree)) {
    into.push([path, tree]);
    return;
  }
  const branch = tree as Readonly<Record<string, TreeOf<L>>>;
  for (const name of Object.keys(branch)) collectLeaves(branch[name]!, joinPath(path, name), into);
}

/** The leaf at `path`, or undefined if there is none. */
export function leafAt<L>(tree: TreeOf<L>, path: string): L | undefined {
  let node: unknown = tree;
  for (const name of path === "" ? [] : path.split(".")) {
    if (!isBranch(node) || !Object.hasOwn(node, name)) return undefined;
    node = node[name];
  }
  return isBranch(node) ? undefined : (node as L);
}

/** `T` with its leaves of type `L` replaced by `M`. */
type Mapped<T, L, M> = T extends L ? M : { readonly [K in keyof T]: Mapped<T[K], L, M> };

/** Applies `change` to every leaf, in a tree of the same structure. */
export function mapTree<T extends TreeOf<L>, L, M>(
  tree: T,
  change: (leaf: L, path: string) => M,
  path = "",
): Mapped<T, L, M> {
  type Result = Mapped<T, L, M>;
  if (!isBranch(tree)) return change(tree as L, path) as Result;
  const branch = tree as Readonly<Record<string, TreeOf<L>>>;
  const changed: Record<string, unknown> = {};
  for (const name of Object.keys(branch)) {
    changed[name] = mapTree(branch[name]!, change, joinPath(path, name));
  }
  return changed as Result;
}

/** The leaves of both trees. Where both have a leaf, it is that of `b`. */
export function mergeTrees<T>(a: T, b: T): T {
  if (!isBranch(a) || !isBranch(b)) return b;
  const merged: Record<string, unknown> = { ...a };
  for (const [name, child] of Object.entries(b)) {
    merged[name] = Object.hasOwn(a, name) ? mergeTrees(a[name], child) : child;
  }
  return merged as T;
}

/** The leaves for which `keep` is true. Branches stay, even if they become empty. */
export function filterTree<L>(
  tree: TreeOf<L>,
  keep: (path: string, leaf: L) => boolean,
  path = "",
): TreeOf<L> {
  if (!isBranch(tree)) return keep(path, tree) ? tree : {};
  const filtered: Record<string, TreeOf<L>> = {};
  for (const [name, child] of Object.entries(tree as Readonly<Record<string, TreeOf<L>>>)) {
    const childPath = joinPath(path, name);
    if (isBranch(child) || keep(childPath, child))
      filtered[name] = filterTree(child, keep, childPath);
  }
  return filtered;
}

/** `mapTree` for a tree of tensors, whose type stays. */
export const mapTensors = <P extends Tree>(
  tree: P,
  change: (leaf: Tensor, path: string) => Tensor,
): P => mapTree(tree, change) as unknown as P;

/**
 * A sink shaped like `params` that passes each gradient to `receive`, with its path. Those of frozen parameters are
 * discarded. Default of `isFrozen`: none is.
 */
export const createSink = <P extends Tree>(
  params: P,
  receive: (path: string, gradient: Gradient) => void,
  isFrozen: (path: string) => boolean = () => false,
): GradientSink<P> =>
  mapTree(params, (_leaf: Tensor, path) =>
    isFrozen(path) ? discardGradient : (gradient: Gradient) => receive(path, gradient),
  );

/** A sink like `sink`, whose gradients go to `receive` instead. What `sink` discards is discarded. */
export const divertSink = <P extends Tree>(
  sink: GradientSink<P>,
  receive: (path: string, gradient: Gradient) => void,
): GradientSink<P> =>
  mapTree<TreeOf<SinkLeaf>, SinkLeaf, SinkLeaf>(sink, (leaf, path) =>
    isDiscarded(leaf) ? leaf : (gradient) => receive(path, gradient),
  ) as GradientSink<P>;

type SinkLeaf = (gradient: Gradient) => void;

/** Passes the gradient of the parameter at `path` to `sink`. Consumes `gradient`. */
export const sendGradient = (sink: GradientSink<Tree>, path: string, gradient: Gradient): void =>
  leafAt<(gradient: Gradient) => void>(sink, path)!(gradient);

/** Disposes all tensors of a tree. */
export const disposeTree = (tree: Tree): void => {
  for (const [, leaf] of leaves<Tensor>(tree)) leaf.dispose();
};
