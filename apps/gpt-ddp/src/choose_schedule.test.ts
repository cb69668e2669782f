import { describe, expect, test } from "@jest/globals";
import { parseFlags, UserError } from "@tessera/config";
import { createSchedule } from "@tessera/optim/schedules";
import { chooseSchedule, describeWarmup } from "./choose_schedule.js";
import { program } from "./flags.js";

function scheduleOf(...argv: string[]) {
  const parsed = parseFlags(program, argv);
  if ("answer" in parsed) throw new Error("asked for help");
  return chooseSchedule(parsed.values);
}

const WSD = ["--lr_scheduler_type", "warmup_stable_decay", "--max_steps", "50"];

test("schedules have Hugging Face's names, and end with the run", () => {
  expect(scheduleOf("--warmup_steps", "9", "--max_steps", "5", "--min_learning_rate", "1")).toEqual(
    {
      kind: "cosine",
      peak: 1e-3,
      floor: 1e-3,
      warmup: 9,
      total: 5,
    },
  );
  expect(scheduleOf("--lr_scheduler_type", "inverse_sqrt").kind).toBe("inverse-square-root");
  expect(scheduleOf("--lr_scheduler_type", "constant_with_warmup").kind).toBe("constant");
});

test("warmup_stable_decay takes the arguments of transformers' get_wsd_schedule", () => {
  const options = (json: string) => scheduleOf(...WSD, "--lr_scheduler_kwargs", json);
  expect(options('{"num_decay_steps": 10}')).toMatchObject({
    kind: "WSD",
    total: 50,
    decayLength: 10,
    decayCurve: "cosine",
  });
  expect(options('{"num_decay_steps": 10, "decay_type": "1-sqrt"}')).toMatchObject({
    decayCurve: "minus_sqrt",
  });
});

describe("rates are those of transformers 5.24's schedules, step by step", () => {
  const RISE = [0, 3.33333e-4, 6.66667e-4, 1e-3];
  const COSINE = [9.50484e-4, 8.11745e-4, 6.1126e-4, 3.8874e-4, 1.88255e-4, 4.95156e-5];
  test.each<[string, string[], number[]]>([
    ["cosine", [], COSINE],
    ["cosine_with_restarts", [], COSINE],
    ["cosine_with_restarts", ['{"num_cycles": 1}'], COSINE],
    ["polynomial", [], [8.57157e-4, 7.14314e-4, 5.71471e-4, 4.28629e-4, 2.85786e-4, 1.42943e-4]],
    [
      "polynomial",
      ['{"lr_end": 1e-4, "power": 1}'],
      [8.71429e-4, 7.42857e-4, 6.14286e-4, 4.85714e-4, 3.57143e-4, 2.28571e-4],
    ],
    ["inverse_sqrt", [], [8.66025e-4, 7.74597e-4, 7.07107e-4, 6.54654e-4, 6.12372e-4, 5.7735e-4]],
    [
      "warmup_stable_decay",
      ['{"num_decay_steps": 4, "min_lr_ratio": 0}'],
      [1e-3, 1e-3, 1e-3, 8.53553e-4, 5e-4, 1.46447e-4],
    ],
    // 0.9 of a cosine, above a tenth.
    ["cosine_with_min_lr", ['{"min_lr_rate": 0.1}'], COSINE.map((x) => 0.9 * x + 1e-4)],
    ["cosine_with_min_lr", ['{"min_lr": 1e-4}'], COSINE.map((x) => 0.9 * x + 1e-4)],
  ])("%s %j", (type, [json], falls) => {
    const options = json === undefined ? [] : ["--lr_scheduler_kwargs", json];
    const line = ["--max_steps", "10", "--warmup_steps", "3", "--lr_scheduler_type", type];
    const rate = createSchedule(scheduleOf(...line, ...options));
    [...RISE, ...falls].forEach((expected, step) => expect(rate(step)).toBeCloseTo(expected, 8));
  });
});

test.each([
  ["--warmup_ratio 0.03 --max_steps 50", 2],
  ["--warmup_steps 0.03 --max_steps 50", 2],
  ["--warmup_steps 5000 --max_steps 3", 5000],
  ["--max_steps 60", 60],
  ["--max_steps 600", 100],
  ["--warmup_steps 0 --warmup_ratio 0.5 --max_steps 6", 3],
])("%s: warm-up of %d steps", (line, warmup) => {
  const schedule = scheduleOf(...line.split(" "));
  expect(schedule.warmup).toBe(warmup);
  expect(describeWarmup(schedule)).toEqual(
    warmup === 5000
      ? ["warm-up takes 5000 steps, the run 3: the learning rate does not reach 0.001"]
      : [],
  );
});

describe("refuses", () => {
  test.each<[string, string[], RegExp]>([
    ["WSD without its last phase", WSD, /needs --lr_scheduler_kwargs \{"num_decay_steps": N\}/],
    ["no JSON", ["--lr_scheduler_kwargs", "{"], /must be a JSON object/],
    ["no object", ["--lr_scheduler_kwargs", "[1]"], /must be a JSON object/],
    [
      "what another schedule takes",
      ["--lr_scheduler_kwargs", '{"num_decay_steps": 3}'],
      /cosine has no/,
    ],
    [
      "a curve there is not",
      [...WSD, "--lr_scheduler_kwargs", '{"num_decay_steps": 3, "decay_type": "cubic"}'],
      /decay_type is "cubic", must be cosine, linear or 1-sqrt/,
    ],
    [
      "a phase longer than the run",
      [...WSD, "--lr_scheduler_kwargs", '{"num_decay_steps": 51}'],
      /from 1 to --max_steps 50/,
    ],
    [
      "restarts",
      ["--lr_scheduler_type", "cosine_with_restarts", "--lr_scheduler_kwargs", '{"num_cycles": 3}'],
      /num_cycles is 3, must be 1: there are no restarts/,
    ],
    [
      "a polynomial that is no line",
      ["--lr_scheduler_type", "polynomial", "--lr_scheduler_kwargs", '{"power": 2}'],
      /power is 2, must be 1/,
    ],
    [
      "a smallest rate that is not said",
      ["--lr_scheduler_type", "cosine_with_min_lr"],
      /needs --lr_scheduler_kwargs \{"min_lr": X\}/,
    ],
    [
      "two ends of one decay",
      [
        ...["--lr_scheduler_type", "cosine_with_min_lr", "--min_learning_rate", "1e-5"],
        ...["--lr_scheduler_kwargs", '{"min_lr": 1e-4}'],
      ],
      /different ends of the decay/,
    ],
    [
      "an inverse square root of nothing",
      ["--lr_scheduler_type", "inverse_sqrt", "--warmup_steps", "0"],
      /needs a warm-up/,
    ],
    [
      "two lengths of warm-up",
      ["--warmup_steps", "5", "--warmup_ratio", "0.1"],
      /--warmup_steps 5, --warmup_ratio 0.1: say one/,
    ],
    ["half a step more", ["--warmup_steps", "2.5"], /--warmup_steps 2.5/],
  ])("%s", (_name, argv, message) => {
    expect(() => scheduleOf(...argv)).toThrow(UserError);
    expect(() => scheduleOf(...argv)).toThrow(message);
  });
});
