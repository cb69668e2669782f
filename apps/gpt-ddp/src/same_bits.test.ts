// Losses, norms and weights have the same bits under every data layout of one global batch.

import { describe, expect, test } from "@jest/globals";
import type { Layout } from "./programs/layouts.js";
import { runLayouts } from "./programs/run_layouts.js";
import { bitsOf, layoutOn } from "./programs/same_bits.js";

const STEPS = 2;

/** By the number of ranks. */
const choices: Readonly<Record<number, readonly Partial<Layout>[]>> = {
  1: [{ stage: 1 }, { stage: 3 }],
  2: [
    { stage: 0 },
    { stage: 2 },
    { pipeline: 2, schedule: "gpipe" },
    { pipeline: 2, schedule: "zero-bubble" },
  ],
  3: [{ stage: 1 }],
  4: [
    { stage: 1 },
    { stage: 3 },
    { stage: 2, pipeline: 2 },
    { pipeline: 2, chunks: 2, schedule: "interleaved" },
    { pipeline: 4, schedule: "1f1b" },
  ],
  8: [{ stage: 0 }, { stage: 2 }, { stage: 3, pipeline: 2, schedule: "zero-bubble" }],
};

const storages = ["fp32", "bf16"] as const;

const ofBoth = (ranks: number, choice: Partial<Layout>): readonly Layout[] =>
  storages.map((storage) => layoutOn(ranks, { ...choice, storage }, STEPS));

const reference = runLayouts(1, ofBoth(1, {}));

describe.each(Object.entries(choices))("%s ranks", (ranks, all) => {
  const count = Number(ranks);
  const trained = runLayouts(
    count,
    all.flatMap((choice) => ofBoth(count, choice)),
  );

  test.each(all.map((choice, at) => [JSON.stringify(choice), at] as const))(
    "%s: the bits of one rank",
    async (_name, at) => {
      const [expected, found] = [(await reference)[0]!, (await trained)[0]!];
      storages.forEach((storage, i) => {
        expect({ storage, ...bitsOf(found[2 * at + i]!) }).toEqual({
          storage,
          ...bitsOf(expected[i]!),
        });
      });
    },
  );
});
