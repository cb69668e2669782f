// The context of an export, and the linear layer, which all parts of the graph use.

import type { GptConfig } from "@tessera/gpt";
import type { ElementType, GraphBuilder } from "./graph.js";

/** The graph under construction, and its model. */
export interface GraphContext {
  readonly graph: GraphBuilder;
  readonly config: GptConfig;
  readonly type: ElementType & ("float" | "float16");
  /** Adds an initializer if need be: a parameter by its path, or a table of rotary positions. Returns its name. */
  readonly weight: (path: string, shape: readonly number[]) => string;
}

export interface LinearSizes {
  readonly from: number;
  readonly to: number;
  readonly bias: boolean;
}

/** [..., from] -> [..., to] */
export function linear(
  { graph, weight }: GraphContext,
  x: string,
  path: string,
  sizes: LinearSizes,
) {
  const { from, to, bias } = sizes;
  const product = graph.node(
    "MatMul",
    [x, weight(`${path}.weight`, [from, to])],
    `${path}.product`,
  );
  return bias ? graph.node("Add", [product, weight(`${path}.bias`, [to])], path) : product;
}
