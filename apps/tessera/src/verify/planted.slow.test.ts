// `tessera verify` finds faults of layouts that are planted in a built file, and names where they show first.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@jest/globals";
import { runThreads } from "@tessera/collectives";
import { defaultBackend } from "@tessera/engines";
import { scratchFolder } from "@tessera/testing";
import type { Verdict } from "@tessera/trainer/verify";
import { layoutFaults } from "../programs/planted_faults.js";
import type { PlantedVerification } from "../programs/verify_planted.js";
import { nameFault } from "./show_verdict.js";

const PROGRAMS = join(__dirname, "../../dist/programs");
const at = scratchFolder("planted");

/** The first difference that a verification names; "none" where nothing differs, and why where it ended. */
async function firstFault({
  ranks,
  changes,
  ...fault
}: (typeof layoutFaults)[number]): Promise<string> {
  const program = {
    module: join(PROGRAMS, "described_run.js"),
    folder: PROGRAMS,
    words: [JSON.stringify(changes)],
  };
  const data: PlantedVerification = {
    verification: { program, backend: defaultBackend(), folder: at("") },
    fault,
  };
  const [verdict] = await runThreads<Verdict>({
    program: pathToFileURL(join(PROGRAMS, "verify_planted.js")),
    ranks,
    data,
  });
  return verdict!.fault === null ? "none" : nameFault(verdict!.fault);
}

test("there are at least twenty", () => {
  expect(layoutFaults.length).toBeGreaterThanOrEqual(20);
});

test.each(layoutFaults)("$name", async (fault) => {
  expect(await firstFault(fault)).toMatch(fault.seen);
});
