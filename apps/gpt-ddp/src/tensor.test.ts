// Ranks that share each layer train as one rank does, whatever else they share.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@jest/globals";
import { runThreads } from "@tessera/collectives";
import type { Job, Layout, Trained } from "./programs/layouts.js";

const folder = join(__dirname, "../../../fixtures/golden");
const { tokens } = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as {
  tokens: number[][][];
};

const TOLERANCE = 1e-5;
const run = (ranks: number, of: readonly Layout[]): Promise<Trained[][]> => {
  const job: Job = { folder, tokens: tokens.flat(), layouts: of };
  const program = pathToFileURL(join(__dirname, "../dist/programs/layouts.js"));
  return runThreads<Trained[]>({ program, ranks, data: job });
};
const base = { stage: 0, accumulation: 1, dropout: 0, steps: 20, bucketBytes: 2 ** 14 } as const;

test("tp 2", async () => {
  const [[one]] = (await run(1, [base])) as [[Trained]];
  const two = await run(2, [{ ...base, tensor: 2 }, { ...base, tensor: 2, sequence: true }]);
  for (const rank of two) for (const it of rank) {
    console.log(it.losses.map((l, i) => (l / one.losses[i]! - 1).toExponential(1)).join(" "));
    console.log(it.norms.map((l, i) => (l / one.norms[i]! - 1).toExponential(1)).join(" "), it.leaked, it.disagreement);
  }
}, 100000);
