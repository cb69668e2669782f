// A group of one rank, in which communication is the identity: every program runs on it unchanged.

import { keep, type Tensor } from "@tensorflow/tfjs-core";
import { accumulate, call } from "@tessera/kernels";
import { createTraffic, type ProcessGroup, type Work } from "./group.js";
import type { World } from "./world.js";

/** A work that returns x, without copying its memory. */
function returnInput(x: Tensor): Work {
  const kept = keep(x.clone());
  return {
    done: true,
    wait() {
      const result = kept.clone();
      kept.dispose();
      return result;
    },
  };
}

const refuse = (call: string) => (): never => {
  throw new RangeError(`${call}: a group of one rank has no other rank`);
};

/** The group of a single rank. `worldRank`: its rank in the world. */
export const singleGroup = (worldRank = 0, name = "the world"): ProcessGroup => ({
  name,
  rank: 0,
  size: 1,
  ranks: [worldRank],
  traffic: createTraffic(),
  allReduce: returnInput,
  allReduceValues: (values) => ({ done: true, wait: () => values.slice() }),
  reduceScatter: returnInput,
  reduceScatterOnto(sum, x) {
    const { total } = call(accumulate, { sum, gradient: x.clone() }, {});
    return { done: true, wait: () => total };
  },
  allGather: returnInput,
  broadcast: returnInput,
  send: refuse("send"),
  receive: refuse("receive"),
  barrier: () => undefined,
});

/** A world of one process, on `host`. */
export const singleWorld = (host = "localhost"): World => ({
  rank: 0,
  size: 1,
  hosts: [host],
  engine: "one process",
  all: singleGroup(),
  group: (name) => singleGroup(0, name),
  abort: (code) => process.exit(code),
  close: () => undefined,
});
