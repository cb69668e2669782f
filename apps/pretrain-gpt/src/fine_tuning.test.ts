// Adapters and frozen parameters by flags: trained, saved, gone on with, and refused.

import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { openModel, readModelConfig } from "@tessera/checkpoint";
import { mergeLora, withAdapter } from "@tessera/checkpoint/adapters";
import { gpt } from "@tessera/gpt";
import { leaves, type ParamSpec } from "@tessera/params";
import { lossesIn, run, scratch } from "./programs/run.js";

const BASE = join(__dirname, "../../../fixtures/hugging-face/families/llama3.1");
const RUN =
  `--pretrained-checkpoint ${BASE} --seq-length 16 --tokenizer-type NullTokenizer --vocab-size 46 --mock-data ` +
  "--micro-batch-size 2 --global-batch-size 4 --lr 1e-2 --lr-decay-style constant --attention-dropout 0 " +
  "--hidden-dropout 0 --log-interval 1 --eval-iters 1 --num-workers 0";
const LORA = "--lora-rank 2 --lora-alpha 4 --lora-target-modules q_proj v_proj";

let folder: ReturnType<typeof scratch>;
let whole: ReturnType<typeof run>;
beforeAll(() => {
  folder = scratch();
  const output = `--adapter-dir ${folder.at("adapter")} --export-dir ${folder.at("merged")}`;
  whole = run(`${RUN} ${LORA} --train-iters 6 --save ${folder.at("whole")} ${output}`);
  expect({ status: whole.status, stderr: whole.stderr }).toEqual({ status: 0, stderr: "" });
});
afterAll(() => folder.remove());

test("what is trained is told, and what is exported is the model with its adapters merged", () => {
  expect(whole.stdout).toContain(
    "trains 0.000224M parameters: adapters of query, value, of rank 2; the others are frozen",
  );
  const config = readModelConfig(BASE);
  const adapted = mergeLora(withAdapter(openModel(BASE), folder.at("adapter")));
  const [exported, base] = [folder.at("merged"), BASE].map(openModel);
  expect(exported!.config).toEqual(config);
  for (const [path] of leaves<ParamSpec>(gpt(config).spec)) {
    expect([path, exported!.valuesAt(path)]).toEqual([path, adapted.valuesAt(path)]);
    const isTarget = /(query|keyValue)\.weight$/.test(path);
    expect([path, exported!.valuesAt(path)].join() === [path, base!.valuesAt(path)].join()).toBe(
      !isTarget,
    );
  }
  for (const model of [adapted, exported!, base!]) model.close();
});

test("a run goes on from its checkpoint as if it had not stopped, and needs no flags of adapters", () => {
  const half = `--save ${folder.at("half")} --load ${folder.at("half")}`;
  const first = run(`${RUN} ${LORA} --train-iters 3 ${half}`);
  const rest = run(`${RUN} --train-iters 6 ${half}`);
  expect(rest.stderr).toBe("");
  expect([...lossesIn(first.stdout), ...lossesIn(rest.stdout)]).toEqual(lossesIn(whole.stdout));
  const other = run(`${RUN} --lora-rank 3 --train-iters 6 ${half}`);
  expect(other.stderr).toMatch(/was trained with --lora-rank 2, this run has 3; /);
});

test("adapters of a folder are trained further; those of a checkpoint without any are fresh", () => {
  const further = run(`${RUN} --adapter ${folder.at("adapter")} --train-iters 1`);
  const base = run(`${RUN} ${LORA} --train-iters 1`);
  const [[, loss]] = lossesIn(further.stdout) as [[number, number]];
  const [[, untrained]] = lossesIn(base.stdout) as [[number, number]];
  expect(untrained).toBe(lossesIn(whole.stdout)[0]![1]);
  expect(loss).toBeLessThan(untrained);
  const full = run(`${RUN} --train-iters 2 --save ${folder.at("full")}`);
  expect(full.status).toBe(0);
  const tuned = run(
    `${RUN.replace(/--pretrained-checkpoint \S+/, "")} ${LORA} --finetune --load ${folder.at("full")} --train-iters 1`,
  );
  expect(tuned.stdout).toMatch(/loaded \S+checkpoint-2: its weights alone/);
});

test("adapters of a checkpoint to start from are trained further, and get no others beside them", () => {
  const from = RUN.replace(BASE, folder.at("whole"));
  const further = run(`${from} --train-iters 1`);
  expect(further.stderr).toBe("");
  expect(further.stdout).toContain("adapters of query, value, of rank 2");
  const again = run(`${RUN} --adapter ${folder.at("adapter")} --train-iters 1`);
  expect(lossesIn(further.stdout)).toEqual(lossesIn(again.stdout));
  expect(run(`${from} ${LORA} --train-iters 1`).stderr).toMatch(
    /--lora-rank: the model has adapters already; leave it out to train these, or merge them/,
  );
});

test("--freeze trains the others", () => {
  const { stdout } = run(`${RUN} --freeze embedding.* head.* --train-iters 1 --print-config`);
  expect(stdout).toMatch(/trains [\d.]+M parameters; the others are frozen/);
});

test.each([
  ["--lora-alpha 3", /--lora-alpha: goes with --lora-rank; add it/],
  ["--lora-dropout 0.1", /--lora-dropout: goes with --lora-rank; add it/],
  ["--use-rslora", /--use-rslora: goes with --lora-rank; add it/],
  [
    "--lora-rank 2 --lora-target-modules wq",
    /LoRA targets wq, which this model has not: choose some of query, .*, or all-linear/,
  ],
  ["--lora-rank 2 --adapter x", /--lora-rank: the adapters in --adapter x say it; leave it out/],
  ["--adapter x", /x: is no adapter: it has no adapter_config.json; check the path/],
  ["--adapter-dir x", /--adapter-dir x: is made of the last checkpoint; add --save/],
  ["--adapter-dir x --save y", /the model has no adapters to be written/],
  ["--freeze embeddings", /embeddings: no parameter has such a path; those of this model are like/],
  ["--freeze *", /all parameters are frozen: leave some of them to be trained/],
])("%s is refused", (flags, said) => {
  const { status, stderr } = run(`${RUN} ${flags} --train-iters 1`);
  expect(status).toBe(2);
  expect(stderr).toMatch(said);
});

test("adapters need a model", () => {
  const { stderr } = run(
    "--num-layers 1 --hidden-size 8 --num-attention-heads 1 --seq-length 8 --tokenizer-type NullTokenizer " +
      "--vocab-size 8 --mock-data --micro-batch-size 1 --lr 1 --train-iters 1 --lora-rank 2",
  );
  expect(stderr).toMatch(/--lora-rank: adapts a model; name it by --pretrained-checkpoint/);
});
