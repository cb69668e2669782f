// Programs in which rank 1 makes a mistake, or all ranks do.

import "@tensorflow/tfjs-backend-cpu";
import { ones, setBackend } from "@tensorflow/tfjs-core";
import type { World } from "../world.js";

export type Mistake = "throw" | "throw together" | "sleep" | "size" | "call" | "message";

export async function main(world: World, mistake: Mistake): Promise<void> {
  await setBackend("cpu");
  const { all, rank } = world;
  const isFaulty = rank === 1;
  all
    .allReduce(ones([4]))
    .wait()
    .dispose();
  if (mistake === "throw together") throw new Error("out of tokens");
  if (isFaulty && mistake === "throw") throw new Error("out of patience");
  if (isFaulty && mistake === "sleep") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  if (isFaulty && mistake === "call") all.allGather(ones([4]), 0).wait();
  if (mistake === "message") {
    if (isFaulty) all.send(ones([3]), 0);
    else if (rank === 0) all.receive([4], 1).wait();
  }
  all.allReduce(ones([isFaulty && mistake === "size" ? 8 : 4])).wait();
}
