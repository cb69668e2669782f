// Training on Megatron's datasets, as a user meets it: the built program, on one rank and on several.

import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { isAvailable as isMpiAvailable } from "@tessera/collectives-mpi";
import { createDatasetWriter } from "@tessera/data/megatron";
import { launchRanks, runNode } from "@tessera/testing";
import { writeTokenizerJson } from "@tessera/tokenizer";
import { countWords, trainBpe } from "@tessera/tokenizer/train";

const MAIN = join(__dirname, "../dist/main.js");
const END = 0; // special tokens have the first ids
const TINY =
  "--model tiny --max_len 16 --per_device_train_batch_size 2 --sample_len 0 --logging_steps 1";
const MASKS = "--eod_mask_loss --reset_position_ids --reset_attention_mask";

let folder: string;
const at = (name: string) => join(folder, name);

/** A dataset of `documents` of a few tokens each, ids from 1 up to `largest`. */
function write(name: string, documents: number, largest = 200): void {
  const writer = createDatasetWriter(at(name), "u16");
  for (let i = 0; i < documents; i += 1) {
    const tokens = Array.from({ length: 5 + (i % 7) }, (_, n) => 1 + ((7 * i + n * n) % largest));
    writer.append([...tokens, END]);
    writer.endDocument();
  }
  writer.finish();
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-gpt-ddp-data-"));
  const words = countWords();
  words.add(Buffer.from("the cat and the dog and the hat ".repeat(9)));
  writeTokenizerJson(at("tokenizer.json"), trainBpe(words, { vocabularySize: 262 }));
  write("a", 60);
  write("b", 40);
});
afterAll(() => rmSync(folder, { recursive: true }));

const run = (line: string, ranks = 1) => {
  const args = [MAIN, ...line.split(" ").filter(Boolean)];
  const env = { ...process.env, OMP_NUM_THREADS: "1" };
  return ranks === 1 ? runNode(args, { env }) : launchRanks(ranks, args);
};

const trained = (name: string, flags: string) =>
  `${TINY} --tokenizer ${at("tokenizer.json")} --output_dir ${at(name)} ${flags}`;
const blended = () => `--data_path 0.3 ${at("a")} 0.7 ${at("b")} --split 80,20,0 ${MASKS}`;

const losses = (name: string): number[][] =>
  readFileSync(join(at(name), "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, number>)
    .map(({ step, loss, eval_loss }) => [step!, loss ?? eval_loss!]);

/** What a run that was stopped after `step` would find. */
function stoppedAt(step: number, from: string, name: string): void {
  mkdirSync(at(name));
  const checkpoint = `checkpoint-${step}`;
  cpSync(join(at(from), checkpoint), join(at(name), checkpoint), { recursive: true });
}

function expectClose(actual: number[][], expected: number[][]): void {
  expect(actual.map(([step]) => step)).toEqual(expected.map(([step]) => step));
  actual.forEach(([, loss], i) =>
    expect(Math.abs(loss! / expected[i]![1]! - 1)).toBeLessThan(1e-5),
  );
}

test("trains on a blend, validates on its valid split, and resumes to the bit", () => {
  const flags = `${blended()} --max_steps 6 --save_steps 3 --max_eval_samples 8`;
  const whole = run(trained("whole", flags));
  expect(whole).toMatchObject({ status: 0, stderr: "" });
  expect(whole.stdout).toMatch(/data {3}0.3 of \d+ \+ 0.7 of \d+ tokens, split 80,20,0/);
  expect(whole.stdout).toMatch(/8 for validation/);
  expect(losses("whole")).toHaveLength(7);
  const json = (name: string) =>
    JSON.parse(readFileSync(join(at("whole"), name), "utf8")) as object;
  const ids = { bos_token_id: END, eos_token_id: END, pad_token_id: null };
  expect(json("config.json")).toMatchObject({ architectures: ["GPT2LMHeadModel"], ...ids });
  expect(json("generation_config.json")).toMatchObject(ids);
  expect(json("tokenizer_config.json")).toMatchObject({ eos_token: "<|endoftext|>" });
  expect(json("tokenizer.json")).toEqual(JSON.parse(readFileSync(at("tokenizer.json"), "utf8")));
  stoppedAt(3, "whole", "resumed");
  expect(run(trained("resumed", `${flags} --resume_from_checkpoint`))).toMatchObject({ status: 0 });
  expect(losses("resumed")).toEqual(losses("whole").slice(3));
  stoppedAt(3, "whole", "longer");
  const longer = run(
    trained("longer", `${flags} --max_steps 9 --max_eval_samples 0 --resume_from_checkpoint`),
  );
  expect(longer.stdout).toMatch(/laid out for 18 samples, the run so far for 12/);
  stoppedAt(3, "whole", "other");
  const other = run(
    trained("other", `--data_path ${at("a")} --max_steps 6 --resume_from_checkpoint`),
  );
  expect(other.status).toBe(2);
  expect(other.stderr).toMatch(
    /was trained with --data_path 0.3 of .* this run has .*; with masks of documents eod_mask_loss/,
  );
});

test("masks change the loss: each of them, and by what they say", () => {
  const flags = `--data_path ${at("a")} --max_steps 1 --max_eval_samples 0`;
  const first = ["", ...MASKS.split(" ")].map((mask, i) => {
    expect(run(trained(`mask-${i}`, `${flags} ${mask}`))).toMatchObject({ status: 0, stderr: "" });
    return losses(`mask-${i}`)[0]![1]!;
  });
  expect(new Set(first).size).toBe(4);
});

const withRanks = isMpiAvailable() ? test : test.skip;

withRanks("ranks train as one does, on indices that one of them built", () => {
  const flags = `${blended()} --max_steps 4 --save_steps 2 --max_eval_samples 5`;
  const ahead = `--data_cache_path ${at("cache")} ${flags}`;
  run(trained("one", `${flags} --gradient_accumulation_steps 2`));
  expect(run(trained("two", ahead), 2)).toMatchObject({ status: 0 });
  expectClose(losses("two"), losses("one"));
  const kinds = readdirSync(at("cache")).map((name) => name.replace(/^[0-9a-f]+/, ""));
  const built = ["_doc_idx.npy", "_sample_idx.npy", "_shuffle_idx.npy", ".json"];
  const parts = 4; // train and valid of both datasets
  expect(kinds.sort()).toEqual(built.flatMap((kind) => Array<string>(parts).fill(kind)).sort());
  stoppedAt(2, "two", "two-on-one");
  const go = `${flags} --gradient_accumulation_steps 2 --resume_from_checkpoint`;
  expect(run(trained("two-on-one", go))).toMatchObject({ status: 0 });
  expectClose(losses("two-on-one"), losses("one").slice(2));
});

describe("is refused before training starts", () => {
  test.each([
    ["both", () => `--text ${MAIN} --data_path ${at("a")}`, /--text or --data_path: name one/],
    ["a split and parts", () => `--data_path ${at("a")} --train_data_path ${at("a")}`, /not both/],
    [
      "parts without training",
      () => `--valid_data_path ${at("a")}`,
      /--train-data-path: is needed/,
    ],
    ["negative weights", () => `--data_path -1 ${at("a")} 2 ${at("b")}`, /none may be negative/],
    [
      "a split without training",
      () => `--data_path ${at("a")} --split 0,1,0`,
      /leaves no documents/,
    ],
  ])("%s", (_what, flags, message) => {
    const { status, stderr } = run(trained("refused", flags()));
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });

  const damages: readonly (readonly [string, () => void, RegExp])[] = [
    [
      "a token over the vocabulary",
      () => write("hostile", 60, 300),
      /hostile: has token \d+, but the vocabulary ends before 262/,
    ],
    [
      "a file cut short",
      () => truncateSync(at("hostile.bin"), 100),
      /hostile.bin: has 100 bytes, but the index puts sequence/,
    ],
    [
      "a wrong magic",
      () => writeFileSync(at("hostile.idx"), Buffer.alloc(600)),
      /hostile.idx: is not an index of a Megatron dataset/,
    ],
  ];

  withRanks.each(damages)("%s, by every rank alike", (_what, damage, message) => {
    write("hostile", 30);
    damage();
    const { status, stderr } = run(trained("refused", `--data_path ${at("hostile")}`), 2);
    expect(status).toBe(2);
    const last = stderr.trimEnd().split("\n").at(-1)!;
    expect(last).toMatch(/^tessera launch: ended with code 2: rank [01] \(host [^)]+\): /);
    expect(last).toMatch(message);
    expect(stderr).not.toMatch(/^\s+at /m); // a sentence, no stack
  });
});
