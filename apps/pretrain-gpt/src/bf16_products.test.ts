// What products of bf16 compute in is measured once, and is the checkpoint's in a run that goes on.

import { beforeAll, describe, expect, test } from "@jest/globals";
import { findCheckpoint } from "@tessera/checkpoint";
import { singleWorld } from "@tessera/collectives";
import { chooseBackend } from "@tessera/engines";
import { bf16ProductsBackend } from "@tessera/kernels/memory";
import { isAvailable } from "@tessera/kernels-native";
import { scratchFolder } from "@tessera/testing";
import { planRun, trainRun } from "@tessera/trainer";
import { silent } from "@tessera/trainer/report";
import { describeRun } from "./describe_run.js";

const folder = scratchFolder("bf16-products")("run");
const MODEL =
  "--num-layers 1 --hidden-size 8 --num-attention-heads 2 --seq-length 8 --max-position-embeddings 8 " +
  "--vocab-size 64 --mock-data --micro-batch-size 1 --train-iters 1 --lr 0.01";

const plan = (flags: string) =>
  planRun(singleWorld(), describeRun(`${MODEL} ${flags}`.split(" "), 1));

(isAvailable() ? describe : describe.skip)("products of bf16", () => {
  beforeAll(() => chooseBackend("native", { OMP_NUM_THREADS: "1" }));
  const current = () => bf16ProductsBackend()!;

  test("compute in what is faster, where nothing is said", async () => {
    const { notes, settings } = await plan("--bf16");
    const hasPairs = current().bf16ProductsOffered.includes("bf16");
    const why = hasPairs ? /GFLOP\/s in bf16/ : /no instructions for pairs/;
    expect(notes.some((note) => why.test(note))).toBe(true);
    expect(settings["bf16Products"]).toBe(current().bf16Products);
  });

  test("are nothing to choose in fp32", async () => {
    const { notes, settings } = await plan("--backend native");
    expect(notes.filter((note) => note.includes("bf16"))).toEqual([]);
    expect(settings["bf16Products"]).toBeUndefined();
  });

  test("go on as in the checkpoint, unless others are asked for", async () => {
    const run = await plan(`--bf16 --bf16-products fp32 --save ${folder}`);
    expect(run.notes).toContain("products of bf16: in fp32, as asked for");
    await trainRun(run, { reporter: () => silent });
    const load = `--bf16 --load ${findCheckpoint(folder).path!}`;
    const { notes } = await plan(load);
    expect(notes).toContain("products of bf16: in fp32, as in the checkpoint");
    expect(current().bf16Products).toBe("fp32");
    const changed = plan(`${load} --bf16-products bf16`);
    if (current().bf16ProductsOffered.includes("bf16")) {
      expect((await changed).notes).toContain("changed --bf16-products from fp32 to bf16");
    } else {
      await expect(changed).rejects.toThrow("1 of 1 ranks");
    }
  });
});
