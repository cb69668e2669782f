// A model that is too large for one rank trains on four.

import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { isAvailable as isMpiAvailable } from "@tessera/collectives-mpi";
import { isAvailable as isNativeAvailable } from "@tessera/kernels-native";
import { lossesIn, run, scratch } from "./programs/run.js";

let folder: ReturnType<typeof scratch>;
beforeAll(() => {
  folder = scratch();
});
afterAll(() => folder.remove());

const MODEL =
  "--num-layers 8 --hidden-size 768 --num-attention-heads 8 --seq-length 16 --micro-batch-size 1 " +
  "--global-batch-size 2 --train-iters 2 --lr 1e-3 --log-interval 1 --eval-iters 0 --num-workers 0";
/** Of each process: the model takes more, half of a half of it much less. */
const LIMIT = 600e6;

(isMpiAvailable() && isNativeAvailable() ? test : test.skip)(
  "what is out of memory on one rank trains with tensor 2 x pipeline 2 under the same limit",
  () => {
    const flags = `${MODEL} ${folder.data}`;
    const [, amount, unit] = /; ([\d.]+) (MB|GB) in all/.exec(
      run(`${flags} --print-config`).stdout,
    )!;
    expect(Number(amount) * (unit === "GB" ? 1e9 : 1e6)).toBeGreaterThan(LIMIT);
    const one = run(flags, 1, LIMIT);
    expect(one.status).toBe(1);
    expect(one.stderr).toMatch(/out of memory: \d+ bytes asked for/);
    const dimensions = "--tensor-model-parallel-size 2 --pipeline-model-parallel-size 2";
    const four = run(`${flags} ${dimensions}`, 4, LIMIT);
    expect(four.status).toBe(0);
    expect(lossesIn(four.stdout)).toHaveLength(2);
  },
);
