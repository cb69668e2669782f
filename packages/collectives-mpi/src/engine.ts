// An Engine over the addon. Addresses and arrays pass as they are: MPI reads and writes them in place.

import type { Call, Elements, Engine, Pending } from "@tessera/collectives";
import { STORAGES } from "@tessera/kernels/memory";
import { KINDS, OPS, type Addon } from "./addon.js";

const NOTHING: Elements = { storage: "bool", size: 0, memory: 0 };

export function mpiEngine(addon: Addon, group: number): Engine {
  return { native: true, start: (call) => pendingOf(addon, post(addon, group, call), call) };
}

function post(addon: Addon, group: number, call: Call): number {
  const from = "from" in call ? call.from : NOTHING;
  const to = "to" in call ? call.to : NOTHING;
  const tag = "tag" in call ? call.tag : 0;
  // A scatter's ranks each give the whole; what they agree on is the size of a part.
  const { storage, size } = call.kind === "reduceScatter" || !("from" in call) ? to : from;
  const seconds = call.kind === "barrier" ? (call.seconds ?? 0) : 0;
  return addon.post(
    group,
    KINDS.indexOf(call.kind),
    STORAGES.indexOf(storage),
    "op" in call ? OPS.indexOf(call.op) : 0,
    size,
    from.memory,
    to.memory,
    "peer" in call ? call.peer : "root" in call ? call.root : 0,
    tag,
    seconds,
  );
}

/** Holds `call`, whose arrays MPI still uses, until it is done. */
function pendingOf(addon: Addon, id: number, call: Call): Pending & { readonly call: Call } {
  let seconds: number | null = null;
  return {
    call,
    get done() {
      return seconds !== null || addon.isDone(id);
    },
    get seconds() {
      return seconds ?? 0;
    },
    wait() {
      seconds ??= addon.wait(id);
    },
  };
}
