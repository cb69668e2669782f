// The command as a user meets it: the built program, in a process of its own.

import { spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { isAvailable as isMpiAvailable } from "@tessera/collectives-mpi";
import { isAvailable as isNativeAvailable } from "@tessera/kernels-native";
import { launchRanks, runNode, runProgram } from "@tessera/testing";

const MAIN = join(__dirname, "../dist/main.js");
const GOLDEN = join(__dirname, "../../../fixtures/golden");
const TINY = "--model tiny --max_len 16 --per_device_train_batch_size 2 --sample_len 8";

let folder: string;
let text: string;
const at = (name: string) => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-gpt-ddp-"));
  text = at("text.txt");
  writeFileSync(text, "To be, or not to be, that is the question. ".repeat(40));
});
afterAll(() => rmSync(folder, { recursive: true }));

const words = (line: string) => line.split(" ").filter(Boolean);

const run = (line: string) => runNode([MAIN, ...words(line)]);

const trained = (name: string, flags: string) =>
  `--text ${text} --output_dir ${at(name)} ${TINY} ${flags}`;

/** Metrics of each logged step. */
const metricsOf = (name: string) =>
  readFileSync(join(at(name), "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, number>)
    .filter((metrics) => "loss" in metrics);

const losses = (name: string) => metricsOf(name).map(({ step, loss }) => [step!, loss!]);

test("--help lists the flags in groups", () => {
  const { status, stdout } = run("--help");
  expect(status).toBe(0);
  for (const shown of ["Model:", "Data:", "Optimizer:", "--gradient_accumulation_steps <N>"]) {
    expect(stdout).toContain(shown);
  }
});

test("a bare command shows its usage, and refuses", () => {
  const { status, stdout, stderr } = run("");
  expect({ status, stderr }).toEqual({ status: 2, stderr: "" });
  expect(stdout).toMatch(/^Usage: tessera-gpt-ddp \[flags\]/);
});

test("trains, saves, samples; resumes to the bit; and starts from what it saved", () => {
  const flags = "--max_steps 6 --logging_steps 1 --save_steps 3 --dropout 0.1";
  const whole = run(trained("whole", `${flags} --report_to tensorboard --run_name mine`));
  expect(whole).toMatchObject({ status: 0, stderr: "" });
  expect(whole.stdout).toContain("--run_name: taken, but without use here\n");
  expect(readdirSync(join(at("whole"), "runs"))[0]).toMatch(/^events\.out\.tfevents/);
  expect(whole.stdout).toMatch(/validation loss \d\.\d+ nats/);
  expect(whole.stdout).toContain("--- a sample ---");
  mkdirSync(at("resumed"));
  cpSync(join(at("whole"), "checkpoint-3"), join(at("resumed"), "checkpoint-3"), {
    recursive: true,
  });
  // What backward computes again makes no difference to the bit.
  const again = "--resume_from_checkpoint --gradient_checkpointing";
  const resumed = run(trained("resumed", `${flags} ${again}`));
  expect(resumed).toMatchObject({ status: 0, stderr: "" });
  expect(losses("resumed")).toEqual(losses("whole").slice(3));
  const saved = join(at("whole"), "checkpoint-6");
  const onward = run(trained("onward", `--max_steps 1 --model_name_or_path ${saved}`));
  expect(onward).toMatchObject({ status: 0, stderr: "" });
  const twice = run(trained("whole", flags));
  expect(twice.status).toBe(2);
  expect(twice.stderr).toContain("--resume_from_checkpoint to go on");
  // Killed in the export: it is made again, and what is left of the first is removed.
  const model = readFileSync(join(at("whole"), "model.safetensors"));
  for (const name of ["model.safetensors", "config.json"]) rmSync(join(at("whole"), name));
  mkdirSync(join(at("whole"), ".whole.0123456789ab-1-1-00.partial"));
  const ended = run(trained("whole", `${flags} --resume_from_checkpoint auto`));
  expect(ended).toMatchObject({ status: 0, stderr: "" });
  expect(ended.stdout).toContain("already at step 6 of 6");
  expect(readFileSync(join(at("whole"), "model.safetensors"))).toEqual(model);
  expect(readdirSync(at("whole")).filter((name) => name.startsWith("."))).toEqual([]);
});

const native = existsSync(join(__dirname, "../../../packages/kernels-native/dist/native"));

(native ? test : test.skip)("--fp16 scales its losses, and resumes to the bit", () => {
  const flags =
    "--fp16 --max_steps 6 --logging_steps 1 --save_steps 3 --loss_scale_window 2 --initial_loss_scale 1e12";
  expect(run(trained("half", flags))).toMatchObject({ status: 0, stderr: "" });
  const scales = metricsOf("half").map(({ loss_scale: scale }) => scale!);
  expect(scales.some((scale, i) => scale < (scales[i - 1] ?? 1e12))).toBe(true);
  mkdirSync(at("half-resumed"));
  const saved = join(at("half"), "checkpoint-3");
  cpSync(saved, join(at("half-resumed"), "checkpoint-3"), { recursive: true });
  const resumed = run(trained("half-resumed", `${flags} --resume_from_checkpoint`));
  expect(resumed).toMatchObject({ status: 0, stderr: "" });
  const figures = (name: string) =>
    metricsOf(name).map(({ tokens_per_second: _speed, ...rest }) => rest);
  expect(figures("half-resumed")).toEqual(figures("half").slice(3));
});

test("the flags of the OLCF example run as they stand, on text that is there", () => {
  const config = join(__dirname, "../examples/ds_config.json");
  const example =
    `--output_dir ${at("example")} --deepspeed ${config} --do_train=True --per_device_train_batch_size 24 ` +
    "--gradient_accumulation_steps 8 --max_len 128 --learning_rate 0.0002 --adam_beta2 0.98 " +
    "--weight_decay 0.0000 --adam_epsilon 1e-8 --warmup_steps 10 --master_addr=localhost";
  const { status, stdout, stderr } = run(`${example} --max_steps 2 --model tiny --sample_len 0`);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(/batch {2}24 samples x 8 accumulated x 1 ranks = 192; 2 steps/);
  expect(stdout).toMatch(/text {3}135 files, 1\.19 MB: .* samples of 128 tokens/);
  expect(stdout).toContain("text   Moby-Dick, as --text names none\n");
});

const withRanks = isMpiAvailable() ? test : test.skip;

withRanks("ranks train as one does, and resume on other numbers of ranks", () => {
  const launch = (ranks: number, line: string) => launchRanks(ranks, [MAIN, ...words(line)]);
  const flags = "--max_steps 4 --logging_steps 1 --save_steps 2 --dropout 0.1";
  run(trained("one", `${flags} --gradient_accumulation_steps 2`));
  const two = launch(2, trained("two", `${flags} --zero_stage 2`));
  expect(two).toMatchObject({ status: 0 });
  expect(two.stdout).toMatch(/batch {2}2 samples x 1 accumulated x 2 ranks = 4/);
  const close = (actual: number[][], expected: number[][]) => {
    expect(actual.map(([step]) => step)).toEqual(expected.map(([step]) => step));
    actual.forEach(([, loss], i) =>
      expect(Math.abs(loss! / expected[i]![1]! - 1)).toBeLessThan(1e-5),
    );
  };
  close(losses("two"), losses("one"));
  for (const [name, go] of [
    ["on-one", (line: string) => run(`${line} --gradient_accumulation_steps 2`)],
    ["on-two", (line: string) => launch(2, `${line} --zero_stage 3`)],
  ] as const) {
    mkdirSync(at(name));
    cpSync(join(at("two"), "checkpoint-2"), join(at(name), "checkpoint-2"), { recursive: true });
    expect(go(trained(name, `${flags} --resume_from_checkpoint`))).toMatchObject({ status: 0 });
    close(losses(name), losses("one").slice(2));
  }
});

const withNativeRanks = isNativeAvailable() ? withRanks : test.skip;

withNativeRanks("ranks that a bare mpirun starts share the processors of their node", () => {
  const { OMP_NUM_THREADS: _granted, ...env } = process.env;
  const flags = trained("bare", "--max_steps 1 --distributed_timeout_minutes 4");
  const { status, stdout } = runProgram("mpirun", ["-n", "2", "node", MAIN, ...words(flags)], {
    env: {
      ...env,
      OMPI_ALLOW_RUN_AS_ROOT: "1",
      OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1",
      OMPI_MCA_rmaps_base_oversubscribe: "1",
      OMPI_MCA_hwloc_base_binding_policy: "none",
    },
  });
  expect(status).toBe(0);
  const share = Math.max(1, Math.floor(availableParallelism() / 2));
  expect(stdout).toMatch(new RegExp(`ranks .*, threads of each rank: ${share}$`, "m"));
});

test.each([
  ["Ctrl-C", "SIGINT", "", 130],
  ["a batch system's signal", "SIGTERM", "--exit_signal_handler --resume_from_checkpoint auto", 0],
] as const)("%s saves; the run goes on where it stopped", async (_who, name, more, code) => {
  const flags = `--max_steps 5000 --logging_steps 1 ${more}`;
  const child = spawn(process.execPath, [MAIN, ...words(trained(name, flags))]);
  let shown = "";
  let asked = false;
  child.stdout.on("data", (chunk: Buffer) => {
    shown += String(chunk);
    if (!asked && shown.includes("step 3/")) asked = child.kill(name);
  });
  const status = await new Promise((resolve) => child.once("close", resolve));
  expect(status).toBe(code);
  expect(shown).toContain(`${name}: saving after this step`);
  const saved = /saved {2}.*checkpoint-(\d+)/.exec(shown);
  expect(saved).not.toBeNull();
  const steps = Number(saved![1]) + 1;
  const resume = more || "--resume_from_checkpoint";
  const resumed = run(trained(name, `--max_steps ${steps} ${resume}`));
  expect(resumed.status).toBe(0);
  expect(resumed.stdout).toContain(`resume from step ${steps - 1}`);
});

describe("is refused with one sentence and code 2, before training starts:", () => {
  const fresh = (flags: string) => `--text ${text} --output_dir ${at("refused")} ${flags}`;
  test.each<[string, () => string, RegExp]>([
    ["a missing text", () => `--text ${at("no.txt")} --output_dir ${at("refused")}`, /no\.txt: /],
    [
      "an empty text",
      () => `--text ${made("empty.txt", "")} --output_dir ${at("refused")}`,
      /empty/,
    ],
    [
      "a short text",
      () => `--text ${made("short.txt", "abc")} --output_dir ${at("refused")}`,
      /one window of 64 needs 65/,
    ],
    ["an unknown flag", () => fresh("--max_step 3"), /did you mean --max_steps/],
    ["a number out of range", () => fresh("--learning_rate -1"), /--learning_rate -1: must be/],
    ["heads that do not divide", () => fresh("--n_embd 100 --n_head 3"), /3 heads do not divide/],
    [
      "an output folder that is a file",
      () => `--text ${text} --output_dir ${text}`,
      /--output_dir .* cannot be written/,
    ],
    [
      "an output folder that cannot be made",
      () => `--text ${text} --output_dir /dev/null/outputs`,
      /--output_dir .* cannot be written/,
    ],
    [
      "a backend that is not there",
      () => fresh("--backend theano"),
      /--backend theano: must be one of tensorflow, native, wasm, cpu/,
    ],
    ["two precisions", () => fresh("--bf16 --fp16"), /--bf16 --fp16: choose one/],
    [
      "16 bits where there are none",
      () => fresh("--bf16 --backend wasm"),
      /--bf16: needs --backend native or tensorflow, this run is on wasm/,
    ],
    [
      "a first loss scale below the smallest",
      () => fresh("--fp16 --backend native --initial_loss_scale 2 --min_loss_scale 4"),
      /the first loss scale, 2: is below the smallest, 4/,
    ],
    ["no checkpoint", () => fresh("--resume_from_checkpoint"), /has no checkpoint/],
    [
      "a foreign checkpoint",
      () => fresh(`--resume_from_checkpoint ${GOLDEN}`),
      /has a model in Hugging Face's form, and no checkpoint; --model_name_or_path starts from one/,
    ],
    ["a damaged checkpoint", () => fresh(`--resume_from_checkpoint ${damaged()}`), /is damaged/],
    [
      "a folder without a model",
      () => fresh(`--model_name_or_path ${folder}`),
      /config\.json: cannot be read/,
    ],
  ])("%s", (_name, line, message) => {
    const { status, stdout, stderr } = run(line());
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });

  function made(name: string, content: string): string {
    writeFileSync(at(name), content);
    return at(name);
  }

  function damaged(): string {
    const flags = `--max_steps 1 --overwrite_output_dir --output_dir ${at("damaged")}`;
    run(`--text ${text} --sample_len 0 ${flags}`);
    const saved = join(at("damaged"), "checkpoint-1");
    truncateSync(join(saved, "shard-00001-of-00001.safetensors"), 1000);
    return saved;
  }
});
