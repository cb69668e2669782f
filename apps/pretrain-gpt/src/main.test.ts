// The command as a user meets it: the built program, in processes of its own.

import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { isAvailable as isMpiAvailable } from "@tessera/collectives-mpi";
import { lossesIn, MAIN, run, scratch, stopRank, VOCABULARY, words } from "./programs/run.js";

let folder: ReturnType<typeof scratch>;
beforeAll(() => {
  folder = scratch();
});
afterAll(() => folder.remove());

const SIZES =
  "--num-layers 4 --hidden-size 16 --num-attention-heads 2 --seq-length 16 --micro-batch-size 1 " +
  "--lr 1e-2 --log-interval 1 --eval-iters 2 --num-workers 0";

const trained = (flags: string): string => `${SIZES} ${folder.data} ${flags}`;

/** The numbers of every parameter and moment that a checkpoint has. */
const bytesOf = (checkpoint: string): Buffer[] =>
  readdirSync(checkpoint)
    .filter((name) => name.endsWith(".safetensors"))
    .map((name) => readFileSync(`${checkpoint}/${name}`));

test("--help lists the flags in groups", () => {
  const { status, stdout } = run("--help");
  expect(status).toBe(0);
  for (const shown of ["Model:", "Memory:", "--tensor-model-parallel-size <N>", "Examples:"]) {
    expect(stdout).toContain(shown);
  }
});

test("a bare command shows its usage, and refuses", () => {
  const { status, stdout } = run("");
  expect(status).toBe(2);
  expect(stdout).toMatch(/^Usage: tessera-pretrain-gpt \[flags\]/);
});

test("trains, evaluates, saves and writes events; resumes to the bit", () => {
  const { at } = folder;
  const flags = "--train-iters 6 --save-interval 3 --eval-interval 3 --split 90,5,5";
  const output = `--tensorboard-dir ${at("events")} --export-dir ${at("exported")}`;
  const whole = run(trained(`${flags} --save ${at("whole")} ${output}`));
  expect(whole).toMatchObject({ status: 0, stderr: "" });
  expect(lossesIn(whole.stdout).map(([step]) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(whole.stdout).toMatch(/validation loss at iteration 3 \| .* PPL/);
  expect(whole.stdout).toMatch(/test loss at iteration 6 \|/);
  expect(readdirSync(at("events"))).toHaveLength(1);
  expect(whole.stdout).toMatch(
    /model {2}\S+exported, in Hugging Face's layout, without a tokenizer/,
  );
  expect(JSON.parse(readFileSync(`${at("exported")}/config.json`, "utf8"))).toMatchObject({
    architectures: ["GPT2LMHeadModel"],
    eos_token_id: VOCABULARY,
  });
  mkdirSync(at("half"));
  cpSync(`${at("whole")}/checkpoint-3`, `${at("half")}/checkpoint-3`, { recursive: true });
  const outputs = `--save ${at("half")} --tensorboard-dir ${at("events")} --metrics-file ${at("half.jsonl")}`;
  const resumed = run(trained(`${flags} --load ${at("half")} ${outputs}`));
  expect(resumed).toMatchObject({ status: 0, stderr: "" });
  expect(lossesIn(resumed.stdout)).toEqual(lossesIn(whole.stdout).slice(3));
  // TensorBoard forgets step 4 and later ones of the first file: an event of step 4 with a session_log.
  const [, second] = readdirSync(at("events")).sort();
  const events = readFileSync(`${at("events")}/${second}`);
  expect(events.includes(Buffer.from([0x10, 4, 0x3a, 2, 8, 1]))).toBe(true);
  const lines = readFileSync(at("half.jsonl"), "utf8").trim().split("\n");
  const steps = lines.map((line) => JSON.parse(line) as { step: number; loss?: number });
  expect(steps.filter(({ loss }) => loss !== undefined).map(({ step }) => step)).toEqual([4, 5, 6]);
  const [expected, actual] = ["whole", "half"].map((name) => bytesOf(`${at(name)}/checkpoint-6`));
  expect(actual).toEqual(expected);
});

test("a batch grows as --rampup-batch-size says, over a run counted in samples", () => {
  const flags = "--global-batch-size 6 --rampup-batch-size 2 2 12 --eval-interval 1000";
  const { stdout } = run(trained(`${flags} --train-samples 34 --lr-warmup-samples 10`));
  const cells = [...stdout.matchAll(/consumed samples: +(\d+) .* global batch size: +(\d+) /g)];
  // Increments of two, one after six samples, one after twelve; full once more than twelve are taken.
  const sizes = [2, 2, 2, 4, 4, 6, 6, 6, 6];
  expect(cells.map(([, , size]) => Number(size))).toEqual(sizes);
  const consumed = sizes.map((_, i) => sizes.slice(0, i + 1).reduce((a, b) => a + b));
  expect(cells.map(([, samples]) => Number(samples))).toEqual(consumed);
  expect(stdout).toMatch(/iteration +1\/ +9 .* learning rate: 0.000E\+00 /);
  expect(stdout).toMatch(/iteration +2\/ +9 .* learning rate: 2.000E-03 /); // two of ten samples
});

test.each([
  ["--exit-interval 4", 4],
  ["--exit-duration-in-mins 0.000001", 1],
])("%s saves, and ends well", (limit, step) => {
  const save = folder.at(`limit-${step}`);
  const { status, stdout } = run(trained(`--train-iters 9 --save ${save} ${limit}`));
  expect(status).toBe(0);
  expect(readdirSync(save)).toEqual([`checkpoint-${step}`, "latest"]);
  expect(lossesIn(stdout)).toHaveLength(step);
});

test.each([
  ["Ctrl-C", "SIGINT", "--exit-signal-handler", 130],
  ["SIGTERM", "SIGTERM", "", 130],
  ["a batch system's signal", "SIGTERM", "--exit-signal-handler", 0],
] as const)("%s saves, and the code says which it was", async (_who, name, more, code) => {
  const save = folder.at(`signal-${code}-${name}`);
  const flags = trained(`--train-iters 100000 --lr-decay-iters 9 --save ${save} ${more}`);
  const child = spawn(process.execPath, [MAIN, ...words(flags)]);
  let shown = "";
  child.stdout.on("data", (chunk: Buffer) => {
    if (!/iteration +3\//.test(shown) && /iteration +3\//.test((shown += String(chunk)))) {
      child.kill(name);
    }
  });
  expect(await new Promise((resolve) => child.once("close", resolve))).toBe(code);
  expect(readdirSync(save)).toEqual([expect.stringMatching(/^checkpoint-\d+$/), "latest"]);
});

describe("on several ranks", () => {
  const withRanks = isMpiAvailable() ? test : test.skip;

  withRanks(
    "trains as one rank does, in three dimensions, and resumes under another layout",
    () => {
      const { at } = folder;
      const flags = "--train-iters 4 --global-batch-size 4 --save-interval 2 --eval-interval 4";
      const one = run(trained(`${flags} --save ${at("one")}`));
      const dimensions = "--tensor-model-parallel-size 2 --pipeline-model-parallel-size 2";
      const eight = run(
        trained(`${flags} --save ${at("eight")} ${dimensions} --sequence-parallel --zero-stage 1`),
        8,
      );
      expect(eight.status).toBe(0);
      expect(eight.stdout).toMatch(/8: tensor 2 x pipeline 2 x data 2, tokens sharded; ZeRO 1/);
      expectClose(lossesIn(eight.stdout), lossesIn(one.stdout));
      mkdirSync(at("from-eight"));
      const saved = "checkpoint-2";
      cpSync(`${at("eight")}/${saved}`, `${at("from-eight")}/${saved}`, { recursive: true });
      const two = run(
        trained(`${flags} --load ${at("from-eight")} --pipeline-model-parallel-size 2`),
        2,
      );
      expectClose(lossesIn(two.stdout), lossesIn(one.stdout).slice(2));
    },
  );

  withRanks("SIGTERM on one rank: all save at the same step, and go on to the bit", async () => {
    const { at } = folder;
    const dimensions = "--tensor-model-parallel-size 2 --pipeline-model-parallel-size 2";
    const length = "--train-iters 40 --global-batch-size 2 --eval-iters 0";
    const flags = `${length} ${dimensions} --exit-signal-handler`;
    const whole = run(trained(`${flags} --save ${at("unstopped")}`), 4);
    const stopping = trained(`${flags} --save ${at("stopped")} --load ${at("stopped")}`);
    const { status, stdout } = await stopRank(stopping, 4, 3, /iteration +5\//);
    expect(status).toBe(0);
    const step = lossesIn(stdout).length;
    expect(readdirSync(at("stopped"))).toContain(`checkpoint-${step}`);
    expect(step).toBeLessThan(40);
    const again = run(stopping, 4);
    expect(again.status).toBe(0);
    expect([...lossesIn(stdout), ...lossesIn(again.stdout)]).toEqual(lossesIn(whole.stdout));
    const [expected, actual] = ["unstopped", "stopped"].map((name) =>
      bytesOf(`${at(name)}/checkpoint-40`),
    );
    expect(actual).toEqual(expected);
  });
});

function expectClose(actual: [number, number][], expected: [number, number][]): void {
  expect(expected).not.toHaveLength(0);
  expect(actual.map(([step]) => step)).toEqual(expected.map(([step]) => step));
  actual.forEach(([, loss], i) => {
    expect(Math.abs(loss / expected[i]![1] - 1)).toBeLessThan(1e-5);
  });
}

test("a DeepSpeed configuration stands beside the flags", () => {
  const path = folder.at("ds_config.json");
  const configuration = {
    train_batch_size: 6,
    train_micro_batch_size_per_gpu: 2,
    gradient_accumulation_steps: 3,
    zero_optimization: { stage: 1 },
    fp16: { enabled: false, loss_scale: 0 },
    optimizer: { type: "Adam", params: { lr: 0.003, adam_w_mode: false } },
    steps_per_print: 1,
  };
  writeFileSync(path, JSON.stringify(configuration));
  const flags = (more: string) =>
    `--num-layers 2 --hidden-size 8 --num-attention-heads 1 --seq-length 8 --train-iters 5 ${more} ` +
    `--deepspeed --deepspeed_config ${path} --print-config`;
  const { status, stdout } = run(flags(""));
  expect(status).toBe(0);
  expect(stdout).toMatch(/2 samples x 3 accumulated x 1 data ranks = 6/);
  expect(stdout).toMatch(/ZeRO 1/);
  expect(stdout).toMatch(/rate {3}linear from 0.003/);
  expect(stdout).toMatch(/steps_per_print mean nothing here/);
  const contradiction = run(flags("--micro-batch-size 3"));
  expect(contradiction.status).toBe(2);
  expect(contradiction.stderr).toMatch(
    /--micro-batch-size 3 on the command line contradicts train_micro_batch_size_per_gpu 2 in/,
  );
  writeFileSync(path, JSON.stringify({ ...configuration, gradient_accumulation_steps: 2 }));
  expect(run(flags("")).stderr).toMatch(
    /a step of 6 samples \(train_batch_size in .*\): is 2 samples \(train_micro_batch.* in .*\) x 1 data ranks x 3 micro-batches, but 2 are accumulated \(gradient_accumulation_steps in/,
  );
});

const RECOMPUTE_TWICE = "--train-iters 3 --recompute-activations --checkpoint-activations";
const FP16 = "--train-iters 3 --fp16";
const WSD = "--train-iters 3 --lr-decay-style WSD --lr-wsd-decay-iters 2";

describe("is refused with one sentence and code 2:", () => {
  test.each<[string, string, RegExp]>([
    ["an unknown flag", "--tensor-model-paralel-size 2", /did you mean --tensor-model-parallel-s/],
    ["no data", "--train-iters 3", /--data-path: name at least one/],
    ["no length", "", /--train-iters, --train-samples: give one/],
    ["two precisions", "--train-iters 3 --fp16 --bf16", /--bf16 --fp16: choose one/],
    ["steps and samples", "--train-samples 9 --lr-decay-iters 9", /--lr-decay-iters: the run is/],
    [
      "WSD without its last phase",
      "--train-iters 3 --lr-decay-style WSD",
      /--lr-wsd-decay-iters: is mis/,
    ],
    [
      "a last phase before the first",
      `${WSD} --lr-warmup-iters 2`,
      /must fit behind its rise over 2 in/,
    ],
    ["ranks that do not divide", "--train-iters 3 --tensor-model-parallel-size 2", /no multiple/],
    ["two recomputations", RECOMPUTE_TWICE, /one asks for full, another for selective/],
    ["chunks of one stage", "--num-layers-per-virtual-pipeline-stage 2", /one stage has no others/],
    ["16 bits where there are none", `${FP16} --backend wasm`, /--fp16: needs --backend native/],
    [
      "a batch that is no multiple",
      "--train-iters 3 --micro-batch-size 2 --global-batch-size 3",
      /a multiple of/,
    ],
    [
      "no checkpoint",
      "--train-iters 3 --load nowhere --exit-on-missing-checkpoint",
      /there is none in --load/,
    ],
  ])("%s", (_what, flags, message) => {
    const { status, stdout, stderr } = run(`${SIZES} ${flags}`);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });
});
