// Activation recomputation: what backward computes again instead of saving. Random numbers are functions of seed, step,
// path and position, so that they are the same the second time.

import { recompute, type AnyLayer } from "@tessera/layers";
import { chain, type LayerWrapper, type Segment } from "@tessera/layers/parallel";

/**
 * `attention`: selective recomputation, of each attention layer (Korthikanti et al., 2022). `uniform`: full
 * recomputation, in groups of `layers` layers of which the input is saved (Chen et al., 2016). `block`: full
 * recomputation of each of the first `layers` layers of a chunk by itself; the others save all. As in Megatron-LM.
 */
export type Recomputation =
  "attention" | { readonly kind: "uniform" | "block"; readonly layers: number };

type Blocks = Readonly<Record<string, AnyLayer>>;

/** Runs `blocks` in order, as `wrapper` does, with the recomputation of `method`. Their names stay. */
export function stackBlocks(
  blocks: Blocks,
  method: Recomputation | undefined,
  wrapper: LayerWrapper,
): Segment {
  const stack = (entries: readonly (readonly [string, AnyLayer])[]): Segment =>
    wrapper.sequence(Object.fromEntries(entries));
  const entries = Object.entries(blocks);
  if (method === undefined || method === "attention") return stack(entries);
  switch (method.kind) {
    case "block": {
      const recomputed = entries.slice(0, method.layers).map((entry) => recompute(stack([entry])));
      const others = entries.slice(method.layers);
      return chainSegments([...recomputed, ...(others.length === 0 ? [] : [stack(others)])]);
    }
    case "uniform": {
      const groups = Array.from({ length: Math.ceil(entries.length / method.layers) }, (_, i) =>
        entries.slice(i * method.layers, (i + 1) * method.layers),
      );
      return chainSegments(groups.map((group) => recompute(stack(group))));
    }
  }
}

const chainSegments = (segments: readonly Segment[]): Segment =>
  chain(segments.map((segment, i) => [String(i), segment]));
