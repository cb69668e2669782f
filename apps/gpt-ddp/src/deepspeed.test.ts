import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { parseFlags, UserError } from "@tessera/config";
import { chooseBatch } from "./choose_batch.js";
import { configure } from "./deepspeed.js";
import { program } from "./flags.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-deepspeed-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The flags that `line` and a configuration give together. */
function configured(configuration: unknown, line = "") {
  const path = join(folder, "ds_config.json");
  writeFileSync(path, JSON.stringify(configuration));
  const parsed = parseFlags(program, ["--deepspeed", path, ...line.split(" ").filter(Boolean)]);
  if ("help" in parsed) throw new Error("asked for help");
  return configure(parsed.values, parsed.given);
}

describe("train_batch_size", () => {
  const parts = (configuration: object, line = "", ranks = 4) => {
    const { microBatch, accumulation } = chooseBatch(configured(configuration, line), ranks);
    return [microBatch, accumulation];
  };
  const micro = { train_micro_batch_size_per_gpu: 2 };
  const accumulation = { gradient_accumulation_steps: 3 };

  test("gives the parts of it that nobody said", () => {
    expect(parts({ train_batch_size: 24, ...micro })).toEqual([2, 3]);
    expect(parts({ train_batch_size: 24, ...accumulation })).toEqual([2, 3]);
    expect(parts({ train_batch_size: 24 })).toEqual([6, 1]);
    expect(parts({ train_batch_size: 24, ...micro, ...accumulation })).toEqual([2, 3]);
    expect(parts({ train_batch_size: "auto", ...micro })).toEqual([2, 1]);
  });

  test("must be the product of the others; all are shown, with where they come from", () => {
    const all = { train_batch_size: 32, ...micro };
    expect(() => parts(all, "--gradient_accumulation_steps 3")).toThrow(
      /^train_batch_size is 32 in .*ds_config.json, but per_device_train_batch_size 2 \(train_micro_batch_size_per_gpu in .*json\) x gradient_accumulation_steps 3 \(--gradient_accumulation_steps on the command line\) x 4 ranks is 24$/,
    );
    expect(() => parts({ train_batch_size: 30, ...micro })).toThrow(/never that$/);
  });
});

test("the example's configuration agrees with whatever the flags say", () => {
  const path = join(__dirname, "../examples/ds_config.json");
  const configuration: unknown = JSON.parse(readFileSync(path, "utf8"));
  const line = "--learning_rate 0.0002 --adam_beta2 0.98 --weight_decay 0.0000 --max_steps 20";
  const { flags, notes } = configured(configuration, line);
  expect(notes).toEqual([]);
  expect(flags).toMatchObject({
    learning_rate: 2e-4,
    zero_stage: "2",
    lr_scheduler_type: "linear",
  });
});

test("its values take the place of defaults", () => {
  const { flags, notes, globalBatch } = configured({
    train_batch_size: 384,
    train_micro_batch_size_per_gpu: 24,
    gradient_accumulation_steps: 8,
    gradient_clipping: 0.5,
    fp16: { enabled: true, initial_scale_power: 12, loss_scale_window: 500, hysteresis: 4 },
    zero_optimization: { stage: 2, reduce_bucket_size: 500_000 },
    optimizer: { type: "AdamW", params: { lr: 2e-4, betas: [0.9, 0.98], weight_decay: 0 } },
    scheduler: { type: "WarmupDecayLR", params: { warmup_num_steps: 10, total_num_steps: 50 } },
  });
  expect(flags).toMatchObject({
    per_device_train_batch_size: 24,
    gradient_accumulation_steps: 8,
    max_grad_norm: 0.5,
    fp16: true,
    initial_loss_scale: 4096,
    loss_scale_window: 500,
    hysteresis: 4,
    zero_stage: "2",
    optim: "adamw",
    learning_rate: 2e-4,
    adam_beta2: 0.98,
    weight_decay: 0,
    lr_scheduler_type: "linear",
    warmup_steps: 10,
    max_steps: 50,
  });
  expect({ notes, globalBatch }).toEqual({ notes: [], globalBatch: 384 });
});

test('"auto" takes the flag, and a flag that agrees is no contradiction', () => {
  const { flags } = configured(
    { train_micro_batch_size_per_gpu: "auto", gradient_accumulation_steps: 8 },
    "--per_device_train_batch_size 24 --gradient_accumulation_steps 8",
  );
  expect(flags.per_device_train_batch_size).toBe(24);
});

describe("refuses, and says why:", () => {
  test.each<[string, unknown, string, RegExp]>([
    [
      "a value that contradicts a flag",
      { train_micro_batch_size_per_gpu: 4 },
      "--per_device_train_batch_size 24",
      /--per_device_train_batch_size 24 on the command line contradicts train_micro_batch_size_per_gpu 4 in .*ds_config\.json/,
    ],
    ["a value of the wrong kind", { fp16: { enabled: "yes" } }, "", /fp16\.enabled is "yes"/],
    ["an optimizer there is not", { optimizer: { type: "Lamb" } }, "", /optimizer\.type is "Lamb"/],
    [
      "a value that the flag would not take",
      { train_micro_batch_size_per_gpu: 2.5 },
      "",
      /train_micro_batch_size_per_gpu 2\.5 is --per_device_train_batch_size 2\.5, which must be a whole/,
    ],
    [
      "two values for one number",
      { optimizer: { params: { lr: 0.1 } }, scheduler: { params: { warmup_max_lr: 0.2 } } },
      "",
      /optimizer\.params\.lr 0\.1 in .*json contradicts scheduler\.params\.warmup_max_lr 0\.2 in/,
    ],
    ["no object", [1], "", /must hold a JSON object/],
    ["unknown keys, if strict", { wall_clock_breakdown: true }, "--strict", /wall_clock_breakdown/],
  ])("%s", (_name, configuration, line, message) => {
    expect(() => configured(configuration, line)).toThrow(UserError);
    expect(() => configured(configuration, line)).toThrow(message);
  });
});

test("unknown keys are named once, whatever they are called", () => {
  const { notes } = configured({ wall_clock_breakdown: true, toString: 10 });
  expect(notes).toHaveLength(1);
  expect(notes[0]).toMatch(/wall_clock_breakdown, toString mean nothing here/);
});

test.each([
  ["Adam", {}, "adamw"],
  ["Adam", { adam_w_mode: true }, "adamw"],
  ["Adam", { adam_w_mode: false }, "adam"],
  ["AdamW", { adam_w_mode: false }, "adamw"],
])("DeepSpeed's %s with %j is %s", (type, params, optim) => {
  expect(configured({ optimizer: { type, params } }).flags.optim).toBe(optim);
});
