// What backward computes again instead of keeping, as the flags say.

import { UserError } from "@tessera/config";
import type { Flags } from "./flags.js";

/**
 * `none`. `selective`: what attention makes inside. `uniform`: all layers, in units of which the input is
 * kept. `block`: each of the first layers of a part by itself; the others keep all.
 */
export type Recomputation =
  | { readonly kind: "none" | "selective" }
  | { readonly kind: "uniform" | "block"; readonly layers: number };

export function recomputationOf(flags: Flags): Recomputation {
  const said = flags["recompute-granularity"];
  const full = flags["checkpoint-activations"] || flags["deepspeed-activation-checkpointing"];
  const granularity =
    said ?? (flags["recompute-activations"] ? "selective" : full ? "full" : undefined);
  const { "recompute-method": method, "recompute-num-layers": layers } = flags;
  if (granularity === undefined) return { kind: "none" };
  if (granularity === "selective") {
    if (method === undefined) return { kind: "selective" };
    throw new UserError(`--recompute-method ${method}: goes with --recompute-granularity full`);
  }
  return { kind: method ?? "uniform", layers };
}
