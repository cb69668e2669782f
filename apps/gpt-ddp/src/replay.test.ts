// `tessera replay` takes a step again to the bit, and sees a log of other bits.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { runNode, scratchFolder } from "@tessera/testing";

const MAIN = join(__dirname, "../dist/main.js");
const TESSERA = join(__dirname, "../../tessera/dist/main.js");
const at = scratchFolder("replay");

const env = { ...process.env, OMP_NUM_THREADS: "1" };
const flags = [
  ...["--model", "tiny", "--max_len", "16", "--per_device_train_batch_size", "2", "--seed", "3"],
  ...["--max_steps", "8", "--logging_steps", "2", "--save_steps", "5", "--eval_steps", "3"],
  ...["--dropout", "0.1", "--sample_len", "0", "--log_weights_hash", "--output_dir", at("run")],
];
const log = at("run/metrics.jsonl");

const replay = (...words: readonly string[]) => {
  const program = ["node", MAIN, "--text", at("text.txt"), ...flags];
  return runNode([TESSERA, "replay", ...words, "--", ...program], { env });
};

test("a step is the same to the bit, and nothing is written", () => {
  writeFileSync(
    at("text.txt"),
    "Call me Ishmael. Some years ago, never mind how long. ".repeat(50),
  );
  const { status, stderr } = runNode([MAIN, "--text", at("text.txt"), ...flags], { env });
  expect([status, stderr]).toEqual([0, ""]);
  const before = readdirSync(at("run"));
  const replayed = replay("--step", "8", "--log", log);
  expect(replayed).toMatchObject({ status: 0, stderr: "" });
  expect(replayed.stdout).toMatch(/^from +\S+checkpoint-5\nstep +8: loss [\d.]+, grad_norm/);
  expect(replayed.stdout).toMatch(/\nlog +the same grad_norm and weights_hash\n$/);
  expect(readdirSync(at("run"))).toEqual(before);
});

test("other bits are seen, and what was not logged is said", () => {
  const other = readFileSync(log, "utf8").replaceAll('"weights_hash":', '"weights_hash":1');
  writeFileSync(at("other.jsonl"), other);
  const replayed = replay("--step", "6", "--log", at("other.jsonl"));
  expect(replayed.stdout).toMatch(/\nlog +differs: weights_hash \d+\n$/);
  expect(replayed.status).toBe(1);
  expect(replay("--step", "7", "--log", log)).toMatchObject({
    status: 2,
    stderr: `tessera: ${log}: has no figures of step 7; choose a step that was logged, or leave --log out\n`,
  });
  expect(replay("--step", "4")).toMatchObject({ status: 2 });
});
