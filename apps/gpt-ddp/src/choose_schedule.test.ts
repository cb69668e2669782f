import { describe, expect, test } from "@jest/globals";
import { parseFlags, UserError } from "@tessera/config";
import { chooseSchedule } from "./choose_schedule.js";
import { program } from "./flags.js";

function scheduleOf(...argv: string[]) {
  const parsed = parseFlags(program, argv);
  if ("help" in parsed) throw new Error("asked for help");
  return chooseSchedule(parsed.values);
}

const WSD = ["--lr_scheduler_type", "warmup_stable_decay", "--max_steps", "50"];

test("schedules have Hugging Face's names, and end with the run", () => {
  expect(scheduleOf("--warmup_steps", "9", "--max_steps", "5", "--min_learning_rate", "1")).toEqual(
    {
      kind: "cosine",
      peak: 1e-3,
      floor: 1e-3,
      warmup: 5,
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
  ])("%s", (_name, argv, message) => {
    expect(() => scheduleOf(...argv)).toThrow(UserError);
    expect(() => scheduleOf(...argv)).toThrow(message);
  });
});
