// One rank of the laws' test, on tfjs's CPU backend.

import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import { checkLaws, type LawOptions, type Verdict } from "../laws.js";
import type { World } from "../world.js";

/** Checks the laws twice. */
export async function main(world: World): Promise<[Verdict, Verdict]> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  const options: LawOptions = {
    storages: ["fp32", "int32", "bool"],
    sizes: [0, 1, 7, 1000],
    long: 50_001,
  };
  return [checkLaws(world, options), checkLaws(world, options)];
}
