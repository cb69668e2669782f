// Starts the ranks of the layouts' tests.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runThreads } from "@tessera/collectives";
import type { Job, Layout, Trained } from "./layouts.js";

const APP = join(__dirname, "../..");
const folder = join(APP, "../../fixtures/golden");
const { tokens } = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as {
  tokens: number[][][];
};

/** What each of `ranks` ranks, as threads, says of each layout. */
export function runLayouts(ranks: number, layouts: readonly Layout[]): Promise<Trained[][]> {
  const job: Job = { folder, tokens: tokens.flat(), layouts };
  const program = pathToFileURL(join(APP, "dist/programs/layouts.js"));
  return runThreads<Trained[]>({ program, ranks, data: job });
}
