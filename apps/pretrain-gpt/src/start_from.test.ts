// What a run takes of a checkpoint by Megatron's flags: all of it, weights and progress, weights alone, or only a look.

import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { lossesIn, run, scratch } from "./programs/run.js";

const SIZES = "--num-layers 2 --hidden-size 16 --num-attention-heads 2 --seq-length 16";
const RUN =
  "--micro-batch-size 1 --lr 1e-2 --lr-decay-style constant --attention-dropout 0 --hidden-dropout 0 " +
  "--log-interval 1 --eval-iters 2 --eval-interval 100 --num-workers 0 --save-interval 2 --split 90,5,5";

let folder: ReturnType<typeof scratch>;
let whole: [number, number][];
const resume = (flags: string, sizes = SIZES) =>
  run(`${sizes} ${RUN} ${folder.data} --load ${folder.at("from")} ${flags}`);

beforeAll(() => {
  folder = scratch();
  const { status, stdout, stderr } = run(
    `${SIZES} ${RUN} ${folder.data} --train-iters 4 --save ${folder.at("whole")}`,
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  whole = lossesIn(stdout);
  mkdirSync(folder.at("from"));
  const saved = "checkpoint-2";
  cpSync(`${folder.at("whole")}/${saved}`, `${folder.at("from")}/${saved}`, { recursive: true });
});
afterAll(() => folder.remove());

test("--use-checkpoint-args needs no sizes", () => {
  const { stdout } = resume("--train-iters 4 --use-checkpoint-args", "");
  expect(lossesIn(stdout)).toEqual(whole.slice(2));
});

test("--finetune begins at step 0 with the checkpoint's weights", () => {
  const { stdout } = resume("--train-iters 1 --finetune");
  expect(stdout).toContain("its weights alone, training starts at step 0");
  const [[step, loss]] = lossesIn(stdout) as [[number, number]];
  expect(step).toBe(1);
  // The first samples again, on weights that have seen them.
  expect(loss).toBeLessThan(whole[0]![1] - 0.01);
});

test("--no-load-optim goes on at the step with a fresh optimizer", () => {
  const { stdout } = resume("--train-iters 4 --no-load-optim");
  expect(stdout).toContain("resume from step 2, with a fresh optimizer");
  const losses = lossesIn(stdout);
  // The same weights and samples, and then another step than the old moments would have led to.
  expect(losses[0]).toEqual(whole[2]);
  expect(losses[1]![1]).not.toBe(whole[3]![1]);
});

test("--skip-train evaluates, and saves nothing", () => {
  const { status, stdout } = resume(`--train-iters 4 --skip-train --save ${folder.at("none")}`);
  expect(status).toBe(0);
  expect(stdout).toMatch(/validation loss at iteration 2 \| lm loss value/);
  expect(stdout).toMatch(/test loss at iteration 2 \| lm loss value/);
  expect(lossesIn(stdout)).toEqual([]);
  expect(() => readFileSync(folder.at("none/latest"))).toThrow();
});

test("--mock-data trains on no data", () => {
  const mock = "--tokenizer-type NullTokenizer --vocab-size 16 --mock-data --train-iters 3";
  const { status, stdout } = run(`${SIZES} ${RUN} ${mock}`);
  expect(status).toBe(0);
  const losses = lossesIn(stdout);
  expect(losses).toHaveLength(3);
  expect(losses[2]![1]).toBeLessThan(losses[0]![1]);
});
