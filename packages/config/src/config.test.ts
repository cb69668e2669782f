import { describe, expect, test } from "@jest/globals";
import {
  choice,
  list,
  nameFlags,
  number,
  parseFlags,
  readFlags,
  resolveBatch,
  text,
  toggle,
  UserError,
} from "./index.js";

const program = {
  name: "demo",
  summary: "Shows flags.",
  groups: {
    Run: {
      output_dir: text("where it goes", "FOLDER", "./outputs"),
      do_train: toggle("train", true),
      text: list("files", "FILE"),
    },
    Optimizer: {
      learning_rate: number("step size", { above: 0 }, 1e-3),
      max_steps: number("steps", { min: 1, whole: true }),
      kind: choice("which", ["adam", "sgd"], "adam"),
    },
  },
} as const;

const parse = (line: string) => {
  const result = parseFlags(program, line.split(" ").filter(Boolean));
  if ("help" in result) throw new Error("help was shown");
  return result.values;
};

test("flags left out have their defaults, typed", () => {
  const values = parse("");
  const rate: number = values.learning_rate;
  const steps: number | undefined = values.max_steps;
  expect({ rate, steps, ...values }).toMatchObject({
    rate: 1e-3,
    output_dir: "./outputs",
    do_train: true,
    text: [],
    kind: "adam",
  });
  expect(steps).toBeUndefined();
});

test.each([
  ["--learning_rate 6.0e-5", { learning_rate: 6e-5 }],
  ["--learning_rate=.5 --max_steps 20", { learning_rate: 0.5, max_steps: 20 }],
  ["--do_train", { do_train: true }],
  ["--do_train=True", { do_train: true }],
  ["--do_train False --kind sgd", { do_train: false, kind: "sgd" }],
  ["--text a b --text c", { text: ["a", "b", "c"] }],
])("%s", (line, expected) => {
  expect(parse(line)).toMatchObject(expected);
});

describe("a wrong line is refused in one sentence", () => {
  test.each([
    ["--max_step 3", "--max_step is not a flag of demo, did you mean --max_steps?"],
    ["--zebra 3", "--zebra is not a flag of demo; --help lists them"],
    ["--max_steps 0", "--max_steps 0: must be a whole number, at least 1"],
    ["--max_steps 1.5", "--max_steps 1.5: must be a whole number, at least 1"],
    ["--learning_rate 0x10", "--learning_rate 0x10: must be a number, above 0"],
    ["--learning_rate -1e-3", "--learning_rate -1e-3: must be a number, above 0"],
    ["--kind adamw", "--kind adamw: must be one of adam, sgd"],
    ["--do_train maybe", "--do_train maybe: must be true or false"],
  ])("%s", (line, message) => {
    expect(() => parse(line)).toThrow(new UserError(message));
  });

  test.each(["--max_steps", "surplus"])("%s", (line) => {
    expect(() => parse(line)).toThrow(UserError);
  });
});

test("help lists every flag under its heading, with its default", () => {
  const result = parseFlags(program, ["--help"]);
  const help = "help" in result ? result.help : "";
  for (const shown of [
    "Run:",
    "Optimizer:",
    "--output_dir <FOLDER>",
    "adam, sgd",
    "(default: ./outputs)",
  ]) {
    expect(help).toContain(shown);
  }
});

describe("operands stand by their place, between flags or after them", () => {
  const groups = { Run: { seed: number("the seed", { whole: true }, 1), tags: list("tags", "T") } };
  const program = {
    name: "demo",
    summary: "Shows operands.",
    operands: [
      { name: "OUT", help: "where it goes" },
      { name: "IN", help: "what it takes", many: true },
    ],
    groups,
  } as const;

  test.each([
    ["out a b", ["out", "a", "b"], 1],
    ["out --seed 3 a", ["out", "a"], 3],
    ["--seed=3 out a", ["out", "a"], 3],
  ])("%s", (line, operands, seed) => {
    expect(parseFlags(program, line.split(" "))).toMatchObject({ operands, values: { seed } });
  });

  test("a missing one is refused, and the help shows them", () => {
    expect(() => parseFlags(program, ["out"])).toThrow(
      new UserError("IN is missing; demo --help says what it is"),
    );
    const result = parseFlags(program, ["--help"]);
    expect("help" in result && result.help).toContain("demo OUT IN... [flags]");
  });
});

test("a batch is multiplied once, and a contradiction shows both numbers", () => {
  const parts = { microBatch: 3, accumulation: 4, dataRanks: 2 };
  expect(resolveBatch(parts).globalBatch).toBe(24);
  expect(resolveBatch({ ...parts, globalBatch: 24 }).globalBatch).toBe(24);
  expect(() => resolveBatch({ ...parts, globalBatch: 32 })).toThrow(/32.*24/);
});

test("a dialect names shared flags, and reads them under their own names", () => {
  const shared = { steps: number("steps", { min: 1 }, 5), fast: toggle("hurry", false) };
  const names = { steps: "train-iters", fast: "fast_mode" } as const;
  const groups = { Run: nameFlags(shared, names) };
  const parsed = parseFlags({ name: "demo", summary: "Demo.", groups }, ["--train-iters", "7"]);
  if ("help" in parsed) throw new Error("help was shown");
  expect(parsed.values).toEqual({ "train-iters": 7, fast_mode: false });
  const read: { readonly steps: number; readonly fast: boolean } = readFlags(parsed.values, names);
  expect(read).toEqual({ steps: 7, fast: false });
});
