// What a resumed run may not change without a word.

import { beforeAll, beforeEach, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import { findCheckpoint } from "@tessera/checkpoint";
import { singleWorld } from "@tessera/collectives";
import { createFeed, sequentialOrder } from "@tessera/data";
import { splitWindows } from "@tessera/data/texts";
import { gptConfig, gptModel, uniformDropout, type GptParams } from "@tessera/gpt";
import { scratchFolder } from "@tessera/testing";
import { planRun, trainRun, type RunConfig } from "../index.js";
import { silent } from "../report.js";

const folder = scratchFolder("settings")("run");

const sizes = { layerCount: 1, hiddenSize: 8, headCount: 2, vocabularySize: 16, maxPositions: 8 };
const { train } = splitWindows(
  Uint8Array.from({ length: 400 }, (_, i) => (i * i + 3 * i) % 16),
  { length: 8, validation: 0 },
);
const schedule = { kind: "cosine", peak: 0.01, floor: 0, warmup: 2, total: 6 } as const;
const feed = createFeed(train, { order: sequentialOrder(train.count) });

const config: RunConfig<GptParams> = {
  model: gptModel(gptConfig({ ...sizes, dropout: uniformDropout(0.1) })),
  data: { train: feed, identity: { text: "squares" } },
  batch: { micro: 2 },
  duration: { steps: 1 },
  schedule,
  optimizer: { kind: "adamw", beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 },
  seed: 3,
  names: { "schedule.peak": "--lr", "dropout.embedding": "--dropout", allowChanges: "--allow" },
};

let resume: string;
beforeEach(() => {
  resume = findCheckpoint(folder).path!;
});
beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
  const run = await planRun(singleWorld(), { ...config, checkpoints: { folder } });
  await trainRun(run, { reporter: () => silent });
});

const resumed = (changes: Partial<RunConfig<GptParams>>) =>
  planRun(singleWorld(), { ...config, ...changes, duration: { steps: 1 }, resume });

test("nothing changed is told of, a longer schedule is, and neither is refused", async () => {
  expect((await resumed({})).notes).toEqual([]);
  const { notes } = await resumed({ schedule: { ...schedule, total: 9 } });
  expect(notes).toEqual(["changed schedule.total from 6 to 9"]);
});

const { optimizer } = config as { readonly optimizer: object };
const changed = (changes: object) =>
  ({ optimizer: { ...optimizer, ...changes } }) as Partial<RunConfig<GptParams>>;

test.each<[what: string, changes: Partial<RunConfig<GptParams>>, said: string]>([
  ["the rate", { schedule: { ...schedule, peak: 0.1 } }, "--lr 0.01, this run has 0.1"],
  [
    "its decay",
    { schedule: { ...schedule, kind: "linear" } },
    "schedule.kind cosine, this run has",
  ],
  ["warm-up", { schedule: { ...schedule, warmup: 3 } }, "schedule.warmup 2, this run has 3"],
  ["weight decay", changed({ weightDecay: 0 }), "optimizer.weightDecay 0.1, this run has 0"],
  ["a beta", changed({ beta2: 0.99 }), "optimizer.beta2 0.95, this run has 0.99"],
  ["the batch", { batch: { micro: 4 } }, "batch 2, this run has 4"],
  ["clipping", { clipNorm: 5 }, "clipNorm 1, this run has 5"],
  ["the seed", { seed: 4 }, "seed 3, this run has 4"],
  ["data of the same size", { data: { train: feed, identity: { text: "cubes" } } }, "text squares"],
  [
    "dropout",
    { model: gptModel(gptConfig({ ...sizes, dropout: uniformDropout(0.2) })) },
    "--dropout 0.1, this run has 0.2",
  ],
])(
  "%s is refused by the user's name for it, and allowed on purpose",
  async (_what, changes, said) => {
    await expect(resumed(changes)).rejects.toThrow(`${resume}: was trained with ${said}`);
    await expect(resumed(changes)).rejects.toThrow("or --allow to go on with other settings");
    const { notes } = await resumed({ ...changes, allowChanges: () => true });
    expect(notes.filter((note) => note.startsWith("changed "))).toHaveLength(1);
  },
);

test("all changes are named at once, each name once", async () => {
  const model = gptModel(gptConfig({ ...sizes, dropout: uniformDropout(0.2) }));
  const dropped = resumed({
    model,
    clipNorm: 5,
    names: Object.fromEntries(Object.keys(model.settings!).map((name) => [name, "--dropout"])),
  });
  await expect(dropped).rejects.toThrow(
    /: was trained with clipNorm 1, this run has 5; with --dropout 0\.1, this run has 0\.2; give what/,
  );
});

test("another model is never allowed", async () => {
  const wider = gptModel(gptConfig({ ...sizes, hiddenSize: 16, dropout: uniformDropout(0.1) }));
  const run = await resumed({ model: wider, names: { hiddenSize: "--width" } });
  await expect(trainRun(run, { reporter: () => silent })).rejects.toThrow(
    /was trained with .*with ffnHiddenSize 32, .*; with --width 8, this run has 16; a checkpoint's model cannot/,
  );
});
