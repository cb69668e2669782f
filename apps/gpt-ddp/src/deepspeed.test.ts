import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { parseFlags, UserError } from "@tessera/config";
import { createSchedule } from "@tessera/optim/schedules";
import { chooseBatch } from "./choose_batch.js";
import { chooseSchedule } from "./choose_schedule.js";
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
  if ("answer" in parsed) throw new Error("asked for help");
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
    lr_scheduler_type: "WarmupDecayLR",
    lr_scheduler_kwargs: '{"warmup_min_lr":0}',
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
    scheduler: {
      type: "WarmupDecayLR",
      params: { warmup_max_lr: 2e-4, warmup_num_steps: 10, total_num_steps: 50 },
    },
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
    lr_scheduler_type: "WarmupDecayLR",
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
  const unknown = { wall_clock_breakdown: true, toString: 10 };
  const { notes } = configured({ gradient_clipping: 1, ...unknown });
  expect(notes).toHaveLength(1);
  expect(notes[0]).toMatch(/wall_clock_breakdown, toString mean nothing here/);
});

test("gradients are clipped only where the configuration or a flag says so, as in DeepSpeed", () => {
  const silent = configured({});
  expect(silent.flags.max_grad_norm).toBe(0);
  expect(silent.notes).toEqual([expect.stringMatching(/gradients are not clipped/)]);
  expect(configured({}, "--max_grad_norm 0.5").flags.max_grad_norm).toBe(0.5);
  expect(configured({ gradient_clipping: "auto" }).flags.max_grad_norm).toBe(1);
  expect(configured({ gradient_clipping: 2 }).flags.max_grad_norm).toBe(2);
});

test.each([
  ["Adam", {}, "adamw"],
  ["Adam", { adam_w_mode: true }, "adamw"],
  ["Adam", { adam_w_mode: false }, "adam"],
  ["AdamW", { adam_w_mode: false }, "adamw"],
])("DeepSpeed's %s with %j is %s", (type, params, optim) => {
  expect(configured({ optimizer: { type, params } }).flags.optim).toBe(optim);
});

interface RatesCase {
  readonly type: string;
  readonly lr: number;
  readonly params: object;
  readonly rates: readonly number[];
}

const { cases } = JSON.parse(
  readFileSync(join(__dirname, "../fixtures/deepspeed_rates.json"), "utf8"),
) as { readonly cases: readonly RatesCase[] };

test.each(cases)("$type with $params gives DeepSpeed's rates", ({ type, lr, params, rates }) => {
  const optimizer = { type: "AdamW", params: { lr } };
  const { flags } = configured({ optimizer, scheduler: { type, params } });
  const rateAt = createSchedule(chooseSchedule(flags));
  rates.forEach((rate, step) => expect(rateAt(step)).toBeCloseTo(rate, 15));
});

describe("the file is read as DeepSpeed reads it:", () => {
  const inFile = (text: string) => {
    const path = join(folder, "ds_config.json");
    writeFileSync(path, text);
    const parsed = parseFlags(program, ["--deepspeed", path]);
    if ("answer" in parsed) throw new Error("asked for help");
    return configure(parsed.values, parsed.given);
  };

  test("with comments and commas behind the last entry", () => {
    expect(inFile('{"bf16": {"enabled": true,}, // half\n}').flags.bf16).toBe(true);
  });

  test("without keys that are there twice", () => {
    expect(() => inFile('{"gradient_clipping": 1,\n"gradient_clipping": 2}')).toThrow(
      /cannot be read \(line 2: "gradient_clipping" is there twice; keep one of them\)/,
    );
  });

  test.each<[string, object, object]>([
    ["bfloat16", { bfloat16: { enabled: true } }, { bf16: true }],
    ["a switch of ZeRO", { zero_optimization: true }, { zero_stage: "1" }],
    ["a fixed loss scale", { fp16: { enabled: true, loss_scale: 128 } }, { loss_scale: 128 }],
    [
      "defaults of an optimizer",
      { optimizer: { type: "Adam" } },
      { adam_beta2: 0.999, weight_decay: 0, adam_epsilon: 1e-8 },
    ],
    [
      "and of torch's",
      { optimizer: { type: "AdamW", params: { torch_adam: true } } },
      { weight_decay: 0.01 },
    ],
    ["momentum", { optimizer: { type: "SGD", params: { momentum: 0.7 } } }, { adam_beta1: 0.7 }],
    ["none of it", { optimizer: { type: "SGD" } }, { adam_beta1: 0, weight_decay: 0 }],
    ["a usual warm-up", { scheduler: { type: "WarmupLR" } }, { warmup_steps: 1000 }],
  ])("%s", (_what, configuration, flags) => {
    expect(configured(configuration).flags).toMatchObject(flags);
  });

  test("a flag counts before DeepSpeed's default, and auto before it too", () => {
    const optimizer = { type: "AdamW", params: { weight_decay: "auto" } };
    expect(configured({ optimizer }, "--adam_beta2 0.9").flags).toMatchObject({
      adam_beta2: 0.9,
      weight_decay: 0.1,
    });
  });
});

describe("would change numbers, and is refused:", () => {
  test.each<[string, unknown, RegExp]>([
    ["OneCycle", { scheduler: { type: "OneCycle" } }, /"OneCycle", must be one of warmuplr/],
    ["LRRangeTest", { scheduler: { type: "LRRangeTest" } }, /"LRRangeTest", must be one of/],
    [
      "a peak that is not the rate",
      { optimizer: { params: { lr: 2e-4 } }, scheduler: { type: "WarmupDecayLR" } },
      /warmup_max_lr is not there: DeepSpeed then takes 0.001/,
    ],
    [
      "a curriculum",
      { curriculum_learning: { enabled: true, min_difficulty: 8 } },
      /curriculum_learning.enabled is true: samples come in one order/,
    ],
    [
      "offload to disk",
      { zero_optimization: { offload_optimizer: { device: "nvme" } } },
      /offload_optimizer.device is "nvme": all of it is in the host's memory here/,
    ],
    ["16 bits in sums", { communication_data_type: "fp16" }, /gradients are summed in fp32/],
    [
      "compression",
      { compression_training: { weight_quantization: { shared_parameters: { enabled: true } } } },
      /models are not compressed here/,
    ],
    [
      "the norm's limit among the optimizer's parameters",
      { optimizer: { type: "Adam", params: { max_grad_norm: 1 } } },
      /write gradient_clipping/,
    ],
    ["AMSGrad", { optimizer: { type: "Adam", params: { amsgrad: true } } }, /without AMSGrad/],
  ])("%s", (_what, configuration, said) => {
    expect(() => configured(configuration)).toThrow(said);
  });

  test("but not where it is switched off, which is no news either", () => {
    const { notes } = configured({
      curriculum_learning: { enabled: false, min_difficulty: 8, schedule: { total: 3 } },
      zero_optimization: { stage: 1, offload_optimizer: { device: "cpu" } },
      communication_data_type: "fp32",
    });
    expect(notes.join("\n")).not.toMatch(/curriculum/);
  });
});
