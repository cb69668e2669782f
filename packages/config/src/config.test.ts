import { afterEach, describe, expect, test } from "@jest/globals";
import {
  choice,
  list,
  nameFlags,
  number,
  parseFlags,
  readFlags,
  resolveBatch,
  type BatchPlan,
  text,
  toggle,
  UserError,
} from "./index.js";
import { idle, idleAt, refused } from "./foreign.js";

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
  if ("answer" in result) throw new Error("help was shown");
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
  const help = "answer" in result ? result.answer : "";
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
    expect("answer" in result && result.answer).toContain("demo OUT IN... [flags]");
  });
});

describe("a switch takes no operand for its value", () => {
  const groups = { Run: { json: toggle("as JSON", false), depth: number("levels", {}, 1) } };
  const operands = [{ name: "PREFIX", help: "the dataset" }];
  const program = { name: "demo", summary: "Looks.", groups, operands } as const;

  test.each([
    ["--json data/corpus", true],
    ["data/corpus --json", true],
    ["--depth 2 --json data/corpus", true],
    ["--json false data/corpus", false],
    ["--json=no data/corpus", false],
    ["--no-json data/corpus", false],
    ["--json -- data/corpus", true],
  ])("%s", (line, json) => {
    expect(parseFlags(program, line.split(" "))).toMatchObject({
      operands: ["data/corpus"],
      values: { json },
    });
  });
});

describe("names of other programs", () => {
  const program = {
    name: "demo",
    summary: "Trains.",
    version: "1.2.3",
    groups: {
      Run: { keep: number("checkpoints that stay", {}, 0), max_steps: number("steps", {}, 9) },
    },
    aliases: { save_total_limit: "keep" },
    foreign: {
      dataloader_num_workers: idle,
      push_to_hub: idleAt(["false"], "nothing is uploaded here; upload the folder"),
      fsdp: refused("--zero_stage 3 shards weights"),
      key: { ...refused("name a file"), isSecret: true },
    },
    strayFlag: "text",
  } as const;
  const parse = (line: string) => {
    const parsed = parseFlags(program, line.split(" ").filter(Boolean));
    if ("answer" in parsed) throw new Error(parsed.answer);
    return parsed;
  };

  test.each(["--save_total_limit 2", "--save-total-limit=2", "--keep 5 --save_total_limit 2"])(
    "%s is --keep 2",
    (line) => {
      expect(parse(line)).toMatchObject({
        values: { keep: 2 },
        given: new Set(["keep"]),
        idle: [],
      });
    },
  );

  test("what changes nothing is taken, and told", () => {
    const { idle, given, values } = parse("--dataloader_num_workers 4 --push_to_hub False");
    expect(idle).toEqual(["dataloader_num_workers", "push_to_hub"]);
    expect([...given]).toEqual([]);
    expect(values).toEqual({ keep: 0, max_steps: 9 });
  });

  test.each([
    ["--push_to_hub", "--push_to_hub: nothing is uploaded here; upload the folder"],
    ["--fsdp full_shard", "--fsdp full_shard: --zero_stage 3 shards weights"],
    [
      "--save_total_limt 3",
      "--save_total_limt is not a flag of demo, did you mean --save_total_limit?",
    ],
    ["book.txt", "book.txt: belongs to no flag; --text book.txt?"],
    ["--key abc", "--key: name a file"],
    ["--keep", "--keep: needs a value (X)"],
    ["--keep --max_steps 3", "--keep: needs a value (X)"],
  ])("%s", (line, message) => {
    expect(() => parse(line)).toThrow(new UserError(message));
  });

  test("all that is wrong is told at once", () => {
    expect(() => parse("--max_stepz 3 --zebra a b --keep x --fsdp full")).toThrow(
      new UserError(
        "4 mistakes:\n" +
          "  --max_stepz is not a flag of demo, did you mean --max_steps?\n" +
          "  --zebra is not a flag of demo; --help lists them\n" +
          "  --keep x: must be a number\n" +
          "  --fsdp full: --zero_stage 3 shards weights",
      ),
    );
  });

  test.each(["--version", "-V", "-v"])("%s", (flag) => {
    expect(parseFlags(program, [flag])).toEqual({ answer: "demo 1.2.3\n" });
  });
});

describe("help is as wide as the terminal", () => {
  const wide = text(
    "where all of the many files of this very long description go to stay",
    "FOLDER",
  );
  const program = { name: "demo", summary: "Wraps.", groups: { Run: { output_dir: wide } } };
  const { columns, isTTY } = process.stdout;
  afterEach(() => void Object.assign(process.stdout, { columns, isTTY }));

  test.each([
    [60, true, 60],
    [300, true, 120],
    [undefined, false, 80],
  ])("of %s columns", (shown, isTerminal, most) => {
    Object.assign(process.stdout, { columns: shown, isTTY: isTerminal });
    const result = parseFlags(program, ["--help"]);
    const lines = ("answer" in result ? result.answer : "").split("\n");
    const longest = Math.max(...lines.map((line) => line.length));
    expect(longest).toBeLessThanOrEqual(most);
    expect(longest).toBeGreaterThan(0.6 * Math.min(most, 100));
  });
});

test("a batch is multiplied once, and a contradiction shows both numbers", () => {
  const parts = { microBatch: 3, accumulation: 4, dataRanks: 2 };
  expect(resolveBatch(parts).globalBatch).toBe(24);
  expect(resolveBatch({ ...parts, globalBatch: 24 }).globalBatch).toBe(24);
  expect(() => resolveBatch({ ...parts, globalBatch: 32 })).toThrow(/32.*24/);
  // @ts-expect-error: sizes that nobody has multiplied out are no plan
  const wrong: BatchPlan = { ...parts, globalBatch: 12 };
  expect(resolveBatch(parts)).not.toEqual(wrong);
});

test("a dialect names shared flags, and reads them under their own names", () => {
  const shared = { steps: number("steps", { min: 1 }, 5), fast: toggle("hurry", false) };
  const names = { steps: "train-iters", fast: "fast_mode" } as const;
  const groups = { Run: nameFlags(shared, names) };
  const parsed = parseFlags({ name: "demo", summary: "Demo.", groups }, ["--train-iters", "7"]);
  if ("answer" in parsed) throw new Error("help was shown");
  expect(parsed.values).toEqual({ "train-iters": 7, fast_mode: false });
  const read: { readonly steps: number; readonly fast: boolean } = readFlags(parsed.values, names);
  expect(read).toEqual({ steps: 7, fast: false });
});
