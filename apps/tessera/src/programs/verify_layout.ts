// What the tests of `tessera verify` share: the first difference of a run of `described_run` on threads.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runThreads } from "@tessera/collectives";
import { defaultBackend } from "@tessera/engines";
import type { Verdict } from "@tessera/trainer/verify";
import { nameFault } from "../verify/show_verdict.js";
import type { Changes } from "./described_run.js";
import type { Planted } from "./plant.js";
import type { PlantedVerification } from "./verify_planted.js";

const PROGRAMS = join(__dirname, "../../dist/programs");

/** A run, what is planted in its code, and where the verification may write. */
export interface LayoutToVerify {
  readonly ranks: number;
  readonly changes: Changes;
  readonly fault?: Planted;
  readonly folder: string;
}

/** The first difference, and by how much; null where there is none. */
export async function firstDifference(layout: LayoutToVerify): Promise<string | null> {
  const { ranks, changes, fault = null, folder } = layout;
  const module = join(PROGRAMS, "described_run.js");
  const program = { module, folder: PROGRAMS, words: [JSON.stringify(changes)] };
  const data: PlantedVerification = {
    verification: { program, backend: defaultBackend(), folder },
    fault,
  };
  const planted = pathToFileURL(join(PROGRAMS, "verify_planted.js"));
  const [verdict] = await runThreads<Verdict>({ program: planted, ranks, data });
  const found = verdict!.fault;
  return found && `${nameFault(found)}: ${found.apart} where ${found.tolerance} is allowed`;
}
