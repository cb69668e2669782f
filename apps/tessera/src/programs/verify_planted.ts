// A rank of a verification with a planted fault. Nothing of Tessera is imported before that is in place.

import { register } from "node:module";
import type { World } from "@tessera/collectives";
import type { Verdict } from "@tessera/trainer/verify";
import type { Verification } from "../verify/verify_here.js";
import type { Planted } from "./plant.js";

/** What is verified, and what is wrong with it; null for nothing. */
export interface PlantedVerification {
  readonly verification: Verification;
  readonly fault: Planted | null;
}

export async function main(
  world: World,
  { verification, fault }: PlantedVerification,
): Promise<Verdict> {
  if (fault !== null) register("./plant.js", import.meta.url, { data: fault });
  const { main: verify } = await import("../verify/verify_here.js");
  return verify(world, verification);
}
