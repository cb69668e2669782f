// What need not be said again where a run is resumed.

import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { readModelConfig, readProgress } from "@tessera/checkpoint";
import { parseFlags } from "@tessera/config";
import { program } from "./flags.js";
import { chooseRun } from "./run_config.js";

const SAVED = join(__dirname, "../fixtures/first_version/checkpoint-3");

function chosen(...argv: string[]) {
  const parsed = parseFlags(program, argv);
  if (!("values" in parsed)) throw new Error("flags were asked for");
  const origins = new Map([...parsed.given].map((name) => [name, { name, place: "" }] as const));
  return chooseRun({ flags: parsed.values, notes: [], globalBatch: null, origins }, 1);
}

test("a model's sizes and the length of samples are the checkpoint's, unless flags say others", async () => {
  const saved = readModelConfig(SAVED);
  const resumed = await chosen("--resume_from_checkpoint", SAVED);
  expect({ ...resumed.gpt, dropout: saved.dropout }).toEqual(saved);
  expect(resumed.config.identity!["max_len"]).toBe(readProgress(SAVED).identity["max_len"]);
  const other = await chosen("--resume_from_checkpoint", SAVED, "--n_layer", "7", "--max_len", "9");
  expect(other.gpt).toMatchObject({ layerCount: 7, maxPositions: 9, hiddenSize: saved.hiddenSize });
  const named = await chosen("--resume_from_checkpoint", SAVED, "--model", "tiny");
  expect(named.gpt).not.toEqual(saved);
});

test("a tokenizer is told by its contents", async () => {
  const digest = async (...argv: string[]) =>
    (await chosen(...argv)).config.identity!["vocabulary"];
  const first = await digest("--tokenizer", "gpt2");
  expect(await digest("--tokenizer", "gpt2")).toBe(first);
  expect(await digest("--tokenizer", "bytes")).not.toBe(first);
});
