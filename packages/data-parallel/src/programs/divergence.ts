// A rank whose weights first equal, then differ from, those of the other ranks.

import "@tensorflow/tfjs-backend-cpu";
import { ones, setBackend, tensor } from "@tensorflow/tfjs-core";
import type { World } from "@tessera/collectives";
import { findDivergence } from "../index.js";

export async function main(world: World): Promise<(string | null)[]> {
  await setBackend("cpu");
  const weights = (bias: number[]) => ({ layer: { weight: ones([2, 2]), bias: tensor(bias) } });
  return [
    findDivergence(weights([1, 2]), world.all),
    findDivergence(weights([1, world.rank === 1 ? 2.5 : 2]), world.all),
  ];
}
