// What is saved under one layout goes on under every other.

import { beforeAll, expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import type { Layout } from "./programs/layouts.js";
import type { Continued } from "./programs/resume.js";
import { runResumes } from "./programs/run_layouts.js";

/**
 * Key heads that ranks may share, a vocabulary that they do not divide, a table that both ends hold. Parameter groups
 * have slots of their own.
 */
const changes = { layerCount: 4, headCount: 8, kvHeadCount: 2, vocabularySize: 389 } as const;

const COMMON = {
  ...{ accumulation: 2, dropout: 0.1, steps: 0, rows: 8 },
  ...{ bucketBytes: 2 ** 12, changes, groups: true },
} as const;

interface Row extends Partial<Layout> {
  readonly ranks: number;
}

const layouts: Readonly<Record<string, Row>> = {
  "one rank": { ranks: 1 },
  "ZeRO 0": { ranks: 2, stage: 0 },
  "ZeRO 1": { ranks: 4, stage: 1 },
  "ZeRO 3": { ranks: 2, stage: 3 },
  tensor: { ranks: 4, tensor: 4 },
  "virtual stages": { ranks: 2, pipeline: 2, schedule: "interleaved", chunks: 2 },
  "tensor, ZeRO 2": { ranks: 4, tensor: 2, sequence: true, stage: 2 },
  "all three": { ranks: 8, tensor: 2, pipeline: 2, stage: 1, schedule: "1f1b" },
};

const names = Object.keys(layouts);

/**
 * Who trains on: each layout from its own checkpoint and from that of the next. The state that is loaded is compared
 * in every pair, to the bit, and steps depend on nothing else.
 */
const steps = Object.fromEntries(
  names.map((name, i) => [name, [name, names[(i + 1) % names.length]!]]),
);

const checkpoints = scratchFolder("resume")("checkpoints");
let saved: readonly Continued[][];

/** What ranks say of going on from each of `from`, or of starting afresh, under every layout. */
async function runAll(from: readonly string[]): Promise<Continued[][]> {
  const all: Continued[][] = [];
  for (const ranks of new Set(names.map((name) => layouts[name]!.ranks))) {
    const mine = names.filter((name) => layouts[name]!.ranks === ranks);
    const named = mine.map((name) => {
      const layout: Layout = { ...COMMON, stage: 0, ...layouts[name] };
      return { name, layout };
    });
    all.push(...(await runResumes(ranks, { checkpoints, layouts: named, from, steps })));
  }
  return all;
}

beforeAll(async () => {
  saved = await runAll([]);
});

test("saved under each of eight layouts, loaded under each: state to the bit, losses within 1e-5", async () => {
  const all = (await runAll(names)).flat();
  expect(new Set(all.map(({ from, to }) => `${from} -> ${to}`)).size).toBe(64);
  const stepped = all.filter(({ losses }) => losses.length === saved[0]![0]!.losses.length);
  expect(new Set(stepped.map(({ from, to }) => `${from} -> ${to}`)).size).toBe(16);
  for (const { from, to, state, losses, leaked } of all) {
    const before = saved.flat().find(({ to: name }) => name === from)!;
    const apart = losses.map((loss, step) => Math.abs(loss / before.losses[step]! - 1));
    const isSame = { state: state === before.state, losses: apart.every((far) => far < 1e-5) };
    expect({ from, to, ...isSame, leaked }).toEqual({
      from,
      to,
      state: true,
      losses: true,
      leaked: 0,
    });
    if (from === to) expect({ from, losses }).toEqual({ from, losses: before.losses });
  }
});

test("saving leaves no tensor behind", () => {
  expect(saved.flat().map(({ leaked }) => leaked)).toEqual(saved.flat().map(() => 0));
});
