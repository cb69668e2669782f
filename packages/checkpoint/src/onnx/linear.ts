// What is being exported, and the one operator that all of its parts use.

import type { GptConfig } from "@tessera/gpt";
import type { ElementType, GraphBuilder } from "./graph.js";

/** The graph under construction, and the model that it is of. */
export interface GraphContext {
  readonly graph: GraphBuilder;
  readonly config: GptConfig;
  readonly type: ElementType & ("float" | "float16");
  /** The name of an initializer: a parameter by its path, or a table of rotary positions. */
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
