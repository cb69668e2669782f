import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { gptConfig } from "@tessera/gpt";
import { scratchFolder } from "@tessera/testing";
import { findUnfollowedSettings } from "./generation_settings.js";
import { readSpecialTokenIds, type SpecialTokenIds } from "./special_token_ids.js";
import { writeConfig } from "./write_model.js";

const scratch = scratchFolder("special-token-ids");
let folders = 0;

type Json = Readonly<Record<string, unknown>>;

function read(config: Json, generation: Json | null, fallback?: SpecialTokenIds): SpecialTokenIds {
  const folder = scratch(String((folders += 1)));
  mkdirSync(folder);
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  if (generation !== null) {
    writeFileSync(join(folder, "generation_config.json"), JSON.stringify(generation));
  }
  return readSpecialTokenIds(folder, 64, fallback);
}

const none = { bos: null, eos: [], pad: null };

// What `generation_config` of a model has that transformers 5.24 loads from such files.
test.each<[Json, Json | null, SpecialTokenIds]>([
  [{}, null, none],
  [{ bos_token_id: 1, eos_token_id: 2, pad_token_id: 3 }, null, { bos: 1, eos: [2], pad: 3 }],
  [{ bos_token_id: 1, eos_token_id: [2, 5] }, null, { bos: 1, eos: [2, 5], pad: null }],
  [{ eos_token_id: 2 }, { eos_token_id: [7, 9] }, { bos: null, eos: [7, 9], pad: null }],
  [
    { eos_token_id: [2, 3], bos_token_id: 4 },
    { eos_token_id: 7, bos_token_id: 8, pad_token_id: 9 },
    { bos: 8, eos: [7], pad: 9 },
  ],
  [{ eos_token_id: 2 }, { eos_token_id: 0 }, { bos: null, eos: [0], pad: null }],
  [{ eos_token_id: null }, null, none],
])("config.json %j and generation_config.json %j say %j", (config, generation, expected) => {
  expect(read(config, generation)).toEqual(expected);
});

test("what no file says, or is no id of the model, is as the tokenizer has it", () => {
  const tokenizer = { bos: 5, eos: [6], pad: 7 };
  expect(read({}, null, tokenizer)).toEqual(tokenizer);
  expect(read({ bos_token_id: 50256, eos_token_id: 64, pad_token_id: -1 }, {}, tokenizer)).toEqual(
    tokenizer,
  );
  expect(read({ eos_token_id: 3 }, { eos_token_id: [50256] }, tokenizer).eos).toEqual([3]);
});

test("are read again as they were written, beside the other settings of generation", () => {
  const [source, target] = [scratch("source"), scratch("target")];
  for (const folder of [source, target]) mkdirSync(folder);
  const settings = { temperature: 0.6, eos_token_id: 50256, _from_model_config: true };
  writeFileSync(join(source, "generation_config.json"), JSON.stringify(settings));
  const config = gptConfig({ layerCount: 1, hiddenSize: 8, headCount: 2, vocabularySize: 64 });
  for (const ids of [none, { bos: 1, eos: [2], pad: 3 }, { bos: null, eos: [2, 5], pad: null }]) {
    writeConfig(target, config, { specials: ids, generationFrom: source });
    expect(readSpecialTokenIds(target, 64)).toEqual(ids);
    rmSync(join(target, "config.json"));
    expect(readSpecialTokenIds(target, 64)).toEqual(ids);
    const json = readFileSync(join(target, "generation_config.json"), "utf8");
    expect(JSON.parse(json)).toMatchObject({ temperature: 0.6 });
  }
  writeConfig(target, config);
  rmSync(join(target, "generation_config.json"));
  // Said to be none: what transformers takes where a file is silent is GPT-2's.
  const said = JSON.parse(readFileSync(join(target, "config.json"), "utf8")) as Json;
  expect(said).toMatchObject({ bos_token_id: null, eos_token_id: null, pad_token_id: null });
});

test.each<[string, Json]>([
  ["a text", { eos_token_id: "2" }],
  ["a fraction", { eos_token_id: [1, 2.5] }],
  ["two beginnings", { bos_token_id: [1, 2] }],
])("%s for an id is refused by its key", (_name, generation) => {
  expect(() => read({}, generation)).toThrow(UserError);
  expect(() => read({}, generation)).toThrow(/generation_config\.json: (eos|bos)_token_id/);
});

test("settings of generation that are not followed are named, but not those that change nothing", () => {
  const folder = scratch("settings");
  mkdirSync(folder);
  const write = (settings: Json): void =>
    writeFileSync(join(folder, "generation_config.json"), JSON.stringify(settings));
  expect(findUnfollowedSettings(folder)).toEqual([]);
  write({ temperature: 0.6, top_p: 0.9, num_beams: 1, suppress_tokens: [], bad_words_ids: null });
  expect(findUnfollowedSettings(folder)).toEqual([]);
  write({ num_beams: 4, suppress_tokens: [5], forced_eos_token_id: 0 });
  expect(findUnfollowedSettings(folder)).toEqual([
    "num_beams",
    "suppress_tokens",
    "forced_eos_token_id",
  ]);
});
