// Steps of passes over a text, against transformers' own count.

import { writeFileSync } from "node:fs";
import { beforeAll, expect, test } from "@jest/globals";
import { parseFlags, resolveBatch, UserError } from "@tessera/config";
import { scratchFolder } from "@tessera/testing";
import { openTokenizer } from "@tessera/tokenizer";
import { chooseDuration } from "./choose_duration.js";
import { configure } from "./deepspeed.js";
import { program } from "./flags.js";

const scratch = scratchFolder("gpt-ddp-duration");
const text = scratch("text.txt");
// 103 windows of 8 tokens.
beforeAll(() => writeFileSync(text, "x".repeat(8 * 103 + 1)));

function choose(line: string, ranks = 1) {
  const data = line.includes("data_path") ? [] : ["--text", text];
  const flags = ["--max_len", "8", "--validation_split", "0", ...data, ...line.split(" ")];
  const parsed = parseFlags(program, flags);
  if ("answer" in parsed) throw new Error(parsed.answer);
  const { per_device_train_batch_size: microBatch, gradient_accumulation_steps: accumulation } =
    parsed.values;
  const batch = resolveBatch({ microBatch, accumulation, dataRanks: ranks });
  const configured = configure(parsed.values, parsed.given);
  return chooseDuration(configured, openTokenizer("bytes"), batch);
}

// What Trainer of transformers 5.24 (set_initial_training_values) counts for 103 samples.
test.each([
  ["--num_train_epochs 3 --per_device_train_batch_size 10", 1, 33],
  ["--num_train_epochs 3 --per_device_train_batch_size 10 --gradient_accumulation_steps 4", 1, 9],
  ["--num_train_epochs 0.5 --per_device_train_batch_size 10", 1, 6],
  ["--num_train_epochs 2 --per_device_train_batch_size 10", 4, 6],
  ["--epochs 1 --per_device_train_batch_size 103", 1, 1],
  ["--max_steps 7", 1, 7],
])("%s on %d ranks: %d steps", async (line, ranks, steps) => {
  expect((await choose(line, ranks)).flags.max_steps).toBe(steps);
});

test.each([
  ["--num_train_epochs 3 --max_steps 5", /--num_train_epochs 3, --max_steps 5: say one of them/],
  ["--num_train_epochs 3 --data_path a", /counts passes over --text; say --max_steps/],
])("%s is refused", async (line, message) => {
  await expect(choose(line)).rejects.toThrow(UserError);
  await expect(choose(line)).rejects.toThrow(message);
});
