// A run that goes on over another number of ranks logs what it would have logged, to the bit.

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { isAvailable as isMpiAvailable } from "@tessera/collectives-mpi";
import { launchRanks, scratchFolder } from "@tessera/testing";

const MAIN = join(__dirname, "../dist/main.js");
const at = scratchFolder("resumed-bits");

/** A step is four micro-batches of two samples. */
const train = (ranks: number, folder: string, ...more: readonly string[]) => {
  const flags = [
    ...["--text", at("text.txt"), "--model", "tiny", "--max_len", "16", "--seed", "3"],
    ...["--per_device_train_batch_size", "2", "--gradient_accumulation_steps", String(4 / ranks)],
    ...["--logging_steps", "1", "--save_steps", "3", "--eval_steps", "2", "--dropout", "0.1"],
    ...["--sample_len", "0", "--log_weights_hash", "--output_dir", at(folder), ...more],
  ];
  const { status, stderr } = launchRanks(ranks, [MAIN, ...flags], {
    env: { ...process.env, OMP_NUM_THREADS: "1" },
  });
  expect([status, stderr]).toEqual([0, ""]);
};

/** What was logged of each step from the fourth on: its loss, norm, validation loss and hash. */
const logOf = (folder: string) =>
  readFileSync(at(`${folder}/metrics.jsonl`), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Readonly<Record<string, number>>)
    .filter(({ step }) => step! > 3)
    .map(({ step, loss, eval_loss, grad_norm, weights_hash }) => ({
      ...{ step, loss, eval_loss, grad_norm, weights_hash },
    }));

(isMpiAvailable() ? test : test.skip)("two ranks and four go on where one has saved", () => {
  writeFileSync(
    at("text.txt"),
    "Call me Ishmael. Some years ago, never mind how long. ".repeat(50),
  );
  train(1, "one", "--max_steps", "6");
  for (const [ranks, stage] of [
    [2, 1],
    [4, 3],
  ] as const) {
    const folder = `${ranks} ranks`;
    cpSync(at("one/checkpoint-3"), at(`${folder}/checkpoint-3`), { recursive: true });
    const resumed = ["--max_steps", "6", "--zero_stage", String(stage)];
    train(ranks, folder, ...resumed, "--resume_from_checkpoint", at(`${folder}/checkpoint-3`));
    expect(logOf(folder)).toEqual(logOf("one"));
  }
  const hashes = logOf("one").flatMap(({ weights_hash }) => weights_hash ?? []);
  expect(new Set(hashes).size).toBe(3);
});
