// What backward computes again instead of keeping, as the flags say.

import { UserError } from "@tessera/config";
import type { Recomputation } from "@tessera/model";
import type { Flags } from "./flags.js";

/** Throws a UserError where the flags contradict each other. */
export function recomputationOf(flags: Flags): Recomputation | undefined {
  const { "recompute-method": method, "recompute-num-layers": layers } = flags;
  switch (granularityOf(flags)) {
    case "full":
      return { kind: method ?? "uniform", layers };
    case "selective":
      refuseMethod(method, "goes with --recompute-granularity full, not selective");
      return "attention";
    case undefined:
      refuseMethod(method, "goes with --recompute-granularity full; add it");
      return undefined;
  }
}

/** What all flags that name it agree on. */
function granularityOf(flags: Flags): "full" | "selective" | undefined {
  const isFull = flags["checkpoint-activations"] || flags["deepspeed-activation-checkpointing"];
  const said = new Set([
    flags["recompute-granularity"],
    flags["recompute-activations"] ? ("selective" as const) : undefined,
    isFull ? ("full" as const) : undefined,
  ]);
  said.delete(undefined);
  if (said.size < 2) return [...said][0];
  throw new UserError(
    "--recompute-granularity, --recompute-activations, --checkpoint-activations: one asks for full, " +
      "another for selective recomputation; keep one of them",
  );
}

function refuseMethod(method: Flags["recompute-method"], why: string): void {
  if (method !== undefined) throw new UserError(`--recompute-method ${method}: ${why}`);
}
