// A group of one, where talking is free: every program runs on it unchanged.

import { keep, type Tensor } from "@tensorflow/tfjs-core";
import { newTraffic, type ProcessGroup, type Work } from "./group.js";
import type { World } from "./world.js";

/** x itself: shared, not copied. */
function same(x: Tensor): Work {
  const held = keep(x.clone());
  return {
    done: true,
    wait() {
      const result = held.clone();
      held.dispose();
      return result;
    },
  };
}

const refuse = (what: string) => (): never => {
  throw new RangeError(`${what}: a group of one rank has no other to talk to`);
};

/** The group of the process with rank `world` alone. */
export const singleGroup = (world = 0, name = "the world"): ProcessGroup => ({
  name,
  rank: 0,
  size: 1,
  ranks: [world],
  traffic: newTraffic(),
  allReduce: same,
  allReduceValues: (values) => ({ done: true, wait: () => values.slice() }),
  reduceScatter: same,
  allGather: same,
  broadcast: same,
  send: refuse("send"),
  receive: refuse("receive"),
  barrier: () => undefined,
});

/** A world of one process, on machine `host`. */
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
