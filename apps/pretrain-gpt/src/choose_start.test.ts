// --load and --save: what is gone on from, and what is refused, by what is in the folders.

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { chooseStart, describeStart } from "./choose_start.js";
import type { Flags } from "./flags.js";
import { pretrainedFolder } from "./pretrained.js";

const at = scratchFolder("start");

const put = (path: string, text = ""): void => {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), text);
};

beforeAll(() => {
  for (const step of [10, 20]) put(`run/checkpoint-${step}/index.json`, "{}");
  put("run/latest", "checkpoint-20\n");
  put("other/checkpoint-5/index.json", "{}");
  // Killed between the renames of step 8, which was saved for the second time.
  put("killed/.checkpoint-8.replaced-abc123/index.json", "{}");
  put("killed/latest", "checkpoint-8\n");
  put("exported/config.json", "{}");
  put("file");
  put("empty/notes.txt");
  put("torn/checkpoint-3/shard-00001-of-00001.safetensors");
  symlinkSync(at("run"), at("link"));
});

const startOf = (load?: string, save?: string, isNeeded = false) =>
  chooseStart({
    load: load && at(load),
    save: save && at(save),
    "exit-on-missing-checkpoint": isNeeded,
  } as Flags);

test.each<[load: string | undefined, save: string | undefined, start: string | undefined]>([
  ["run", "run", "run/checkpoint-20"],
  ["run", "fresh", "run/checkpoint-20"],
  ["run/checkpoint-10", "run", "run/checkpoint-10"],
  ["run/checkpoint-10", undefined, "run/checkpoint-10"],
  ["link", "run", "link/checkpoint-20"],
  ["killed", "killed", "killed/.checkpoint-8.replaced-abc123"],
  ["fresh", "fresh", undefined],
  ["empty", "empty", undefined],
  ["torn", "torn", undefined],
  [undefined, "fresh", undefined],
  [undefined, undefined, undefined],
])("--load %s --save %s: goes on from %s", (load, save, start) => {
  expect(startOf(load, save)).toBe(start && at(start));
});

test.each<[load: string | undefined, save: string | undefined, message: RegExp]>([
  ["typo", "fresh", /^--load \S+typo: is not there; check the path$/],
  ["typo", undefined, /is not there/],
  ["empty", "fresh", /^--load \S+empty: has no checkpoint in it/],
  ["torn", "fresh", /has no checkpoint in it/],
  ["file", "fresh", /^--load \S+file: is a file, must be a folder/],
  ["exported", "fresh", /Hugging Face's form, and no checkpoint; --finetune starts/],
  ["exported", "exported", /Hugging Face's form/],
  [undefined, "run", /^--save \S+run: has \S+checkpoint-20 of another run already; add --load/],
  [undefined, "killed", /^--save \S+killed: has \S+ of another run already/],
  ["other", "run", /^--save \S+run: has/],
  ["other/checkpoint-5", "run", /^--save \S+run: has/],
])("--load %s --save %s: is refused", (load, save, message) => {
  expect(() => startOf(load, save)).toThrow(message);
});

test("--finetune takes the weights of a model in Hugging Face's form", () => {
  const flags = { load: at("exported"), save: at("fresh"), finetune: true } as Flags;
  expect(chooseStart({ ...flags, "exit-on-missing-checkpoint": true })).toBeUndefined();
  expect(pretrainedFolder(flags)).toBe(at("exported"));
  expect(describeStart(flags, undefined, 0)).toBe(`loaded ${at("exported")}: its weights alone`);
  const other = { ...flags, "pretrained-checkpoint": at("empty") };
  expect(() => chooseStart(other)).toThrow(/Hugging Face's form, and no checkpoint/);
});

test("--exit-on-missing-checkpoint refuses what would start anew", () => {
  expect(() => startOf("fresh", "fresh", true)).toThrow(/there is none in --load/);
  expect(() => startOf(undefined, "fresh", true)).toThrow("(not given)");
  expect(startOf("run", "run", true)).toBe(at("run/checkpoint-20"));
});

test("one line says what was loaded, or that nothing was", () => {
  const line = (load?: string, resume?: string) => describeStart({ load } as Flags, resume, 20);
  expect(line("s", "s/checkpoint-20")).toBe("loaded s/checkpoint-20: resume from step 20");
  expect(line("s")).toBe("loaded nothing, as s has no checkpoint yet: training starts anew");
  const flags = { load: "s", "pretrained-checkpoint": "model" } as Flags;
  expect(describeStart(flags, undefined, 0)).toBe("loaded model: its weights alone");
  expect(line()).toBe("loaded nothing, as --load is not given: training starts anew");
});
