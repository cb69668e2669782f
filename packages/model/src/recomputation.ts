// What backward computes again instead of keeping. Random numbers are functions of where they are drawn,
// so they are the same again.

import type { Tensor } from "@tensorflow/tfjs-core";
import { recompute, type AnyLayer, type Layer } from "@tessera/layers";
import type { LayerWrapper } from "@tessera/layers/parallel";
import type { Tree } from "@tessera/params";

/**
 * `attention`: all that attention makes inside. `uniform`: all blocks, in units of so many, of which the
 * input is kept (Chen et al., 2016). `block`: each of the first so many blocks of a part of the model by
 * itself; the others keep all.
 */
export type Recomputation =
  "attention" | { readonly kind: "uniform" | "block"; readonly layers: number };

type Blocks = Readonly<Record<string, AnyLayer>>;
type Branches = Readonly<Record<string, Tree>>;

/** `blocks` chained as `wrapper` has it, and recomputed as is said. Their names stay. */
export function stackBlocks(
  blocks: Blocks,
  how: Recomputation | undefined,
  wrapper: LayerWrapper,
): Layer<Branches, Tree> {
  const stacked = (named: readonly (readonly [string, AnyLayer])[]): Layer<Branches, Tree> =>
    wrapper.sequence(Object.fromEntries(named));
  const all = Object.entries(blocks);
  if (how === undefined || how === "attention") return stacked(all);
  switch (how.kind) {
    case "block": {
      const alone = all.slice(0, how.layers).map((one) => recompute(stacked([one])));
      const rest = all.slice(how.layers);
      return chainSegments([...alone, ...(rest.length === 0 ? [] : [stacked(rest)])]);
    }
    case "uniform": {
      const units = Array.from({ length: Math.ceil(all.length / how.layers) }, (_, i) =>
        all.slice(i * how.layers, (i + 1) * how.layers),
      );
      return chainSegments(units.map((unit) => recompute(stacked(unit))));
    }
  }
}

/** Stretches of layers, one behind the other, whose parameters stand in one record. */
function chainSegments(stretches: readonly Layer<Branches, Tree>[]): Layer<Branches, Tree> {
  const backwards = stretches.map((stretch, i) => [stretch, String(i)] as const).toReversed();
  const step = (x: Tensor, next: (x: Tensor) => Tensor): Tensor => {
    const y = next(x);
    x.dispose();
    return y;
  };
  return {
    spec: Object.assign({}, ...stretches.map(({ spec }) => spec)) as Layer<Branches, Tree>["spec"],
    forward(params, x, ctx) {
      const saved: Record<string, Tree> = {};
      const y = stretches.reduce(
        (h, stretch, i) =>
          step(h, (given) => {
            const [next, kept] = stretch.forward(params, given, ctx);
            saved[i] = kept;
            return next;
          }),
        x.clone(),
      );
      return [y, saved];
    },
    backward: (params, saved, dy, sink, ctx) =>
      backwards.reduce(
        (dh, [stretch, i]) =>
          step(dh, (given) => stretch.backward(params, (saved as Branches)[i]!, given, sink, ctx)),
        dy.clone(),
      ),
  };
}
