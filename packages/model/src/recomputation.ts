// Activation recomputation: what backward computes again instead of saving. Random numbers are functions of seed, step,
// path and position, so that they are the same the second time.

import { recompute, type Layer } from "@tessera/layers";
import { chainSegments, type LayerWrapper, type Segment } from "@tessera/layers/parallel";
import type { Tree } from "@tessera/params";

/**
 * `attention`: selective recomputation, of each attention layer (Korthikanti et al., 2022). `uniform`: full
 * recomputation, in groups of `layers` layers of which the input is saved (Chen et al., 2016). `block`: full
 * recomputation of each of the first `layers` layers of a chunk by itself; the others save all. As in Megatron-LM.
 */
export type Recomputation =
  "attention" | { readonly kind: "uniform" | "block"; readonly layers: number };

type Block = Layer<Tree, Tree>;

/** Runs `blocks` in order, as `wrapper` does, with the recomputation of `method`. Their names stay. */
export function stackBlocks(
  blocks: Readonly<Record<string, Block>>,
  method: Recomputation | undefined,
  wrapper: LayerWrapper,
): Segment {
  const stack = (entries: readonly (readonly [string, Block])[]): Segment =>
    wrapper.stack(Object.fromEntries(entries));
  const entries = Object.entries(blocks);
  if (method === undefined || method === "attention") return stack(entries);
  switch (method.kind) {
    case "block": {
      const recomputed = entries.slice(0, method.layers).map((entry) => recompute(stack([entry])));
      const others = entries.slice(method.layers);
      return chain([...recomputed, ...(others.length === 0 ? [] : [stack(others)])]);
    }
    case "uniform": {
      const groups = Array.from({ length: Math.ceil(entries.length / method.layers) }, (_, i) =>
        entries.slice(i * method.layers, (i + 1) * method.layers),
      );
      return chain(groups.map((group) => recompute(stack(group))));
    }
  }
}

const chain = (segments: readonly Segment[]): Segment =>
  chainSegments(segments.map((segment, i) => [String(i), segment]));
