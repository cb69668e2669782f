// The golden model: what every backend must give, after PyTorch in float64. See fixtures/golden/README.md.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { enableProdMode, memory, setBackend, tensor, tidy } from "@tensorflow/tfjs-core";
import { openSafetensors, readModel, readModelConfig, writeModel } from "@tessera/checkpoint";
import { gpt, type GptParams } from "@tessera/gpt";
import type { TokenBatch } from "@tessera/model";
import { evalContext } from "@tessera/layers";
import { accumulate, disposeTree } from "@tessera/params";
import { adam, clipFactor, decayOf, globalNorm, initialState } from "@tessera/optim";

const FOLDER = join(__dirname, "../../../../fixtures/golden");

interface Run {
  optimizer: "adamw" | "adam";
  lr: number;
  weight_decay: number;
  betas: [number, number];
  eps: number;
  clip_grad: number;
  losses: number[];
  grad_norms: number[];
}

const expected = JSON.parse(readFileSync(join(FOLDER, "expected.json"), "utf8")) as {
  tokens: number[][][];
  runs: Run[];
};

const config = readModelConfig(FOLDER);
const model = gpt(config);

/** TokenBatch `step`: rows of 33 tokens, of which the last 32 are the targets of the first 32. */
function batchOf(step: number): TokenBatch {
  const rows = expected.tokens[step % expected.tokens.length]!;
  const shape: [number, number] = [rows.length, rows[0]!.length - 1];
  const count = shape[0] * shape[1];
  return {
    ids: tensor(
      rows.map((row) => row.slice(0, -1)),
      shape,
      "int32",
    ),
    targets: {
      ids: tensor(
        rows.map((row) => row.slice(1)),
        shape,
        "int32",
      ),
      weights: tensor(new Float32Array(count).fill(1 / count), shape),
    },
  };
}

const disposeBatch = ({ ids, targets }: TokenBatch): void => {
  ids.dispose();
  targets.ids.dispose();
  targets.weights.dispose();
};

/** The norm of the difference over the norm of what is expected. */
function relativeError(actual: Float32Array, reference: Float32Array): number {
  let difference = 0;
  let size = 0;
  reference.forEach((value, i) => {
    difference += (actual[i]! - value) ** 2;
    size += value ** 2;
  });
  return Math.sqrt(difference / size);
}

/** Trains as many steps as losses are expected; the loss before each, and the norm of its gradients. */
function train({ optimizer, lr, betas, ...run }: Run, of = model) {
  const method = adam(
    {
      beta1: betas[0],
      beta2: betas[1],
      epsilon: run.eps,
      weightDecay: run.weight_decay,
      decoupled: optimizer === "adamw",
    },
    decayOf(model.spec),
  );
  let params = readModel(FOLDER, config);
  let state = initialState(method, params);
  const before = memory().numTensors;
  const curve = run.losses.map((_loss, i) => {
    const batch = batchOf(i);
    const { sink, take } = accumulate(params);
    const loss = of.lossAndGradients(params, batch, sink, evalContext);
    const gradients = take();
    const norm = globalNorm(gradients);
    const scale = clipFactor(norm, run.clip_grad);
    const update = { step: i + 1, learningRate: lr, scale };
    ({ params, state } = method.step(params, gradients, state, update));
    const point = { loss: loss.dataSync()[0]!, norm: norm.dataSync()[0]! };
    disposeBatch(batch);
    for (const spent of [loss, norm, scale]) spent.dispose();
    expect(memory().numTensors).toBe(before);
    return point;
  });
  disposeTree(params);
  disposeTree(state);
  return curve;
}

/** Defines tests of `backend`, which tfjs has, with so many steps of training. */
export function describeGolden(backend: string, steps: number): void {
  describe(`on ${backend}`, () => {
    let params: GptParams;
    beforeAll(async () => {
      enableProdMode();
      await setBackend(backend);
      params = readModel(FOLDER, config);
    });

    test("logits are within 1e-4", () => {
      const reference = openSafetensors(join(FOLDER, "logits.safetensors"));
      const { ids } = batchOf(0);
      const logits = tidy(() => model.logits(params, model.activations(params, ids, evalContext)));
      const actual = logits.dataSync<"float32">();
      expect(relativeError(actual, reference.read("logits"))).toBeLessThan(1e-4);
    });

    test("every gradient is within 1e-3", () => {
      const { sink, take } = accumulate(params);
      const loss = model.lossAndGradients(params, batchOf(0), sink, evalContext);
      expect(loss.dataSync()[0]).toBeCloseTo(expected.runs[0]!.losses[0]!, 4);
      // Gradients have the shape of parameters, so they can be written in the reference's layout, which
      // has the names of a model without its head.
      const reference = openSafetensors(join(FOLDER, "gradients.safetensors"));
      const scratch = mkdtempSync(join(tmpdir(), "tessera-golden-"));
      writeModel(scratch, config, take());
      const actual = openSafetensors(join(scratch, "model.safetensors"));
      for (const name of reference.shapes.keys()) {
        const error = relativeError(actual.read(`transformer.${name}`), reference.read(name));
        expect([name, error < 1e-3]).toEqual([name, true]);
      }
      expect(actual.shapes.size).toBe(reference.shapes.size);
      rmSync(scratch, { recursive: true });
    });

    test.each(expected.runs)(`${steps} losses with $optimizer are within 1e-3`, (run) => {
      const curve = train({ ...run, losses: run.losses.slice(0, steps) });
      expect(curve).toHaveLength(steps);
      curve.forEach(({ loss, norm }, i) => {
        expect(Math.abs(loss / run.losses[i]! - 1)).toBeLessThan(1e-3);
        expect(Math.abs(norm / run.grad_norms[i]! - 1)).toBeLessThan(1e-3);
      });
    });
  });
}

/** Defines tests of `backend` with activations in 16 bits. */
export function describeGoldenIn16Bits(backend: string): void {
  describe(`on ${backend} with activations in 16 bits`, () => {
    beforeAll(async () => {
      enableProdMode();
      await setBackend(backend);
    });

    test.each(["bf16", "fp16"] as const)("20 losses in %s are within 2%% of fp32's", (storage) => {
      for (const run of expected.runs) {
        const curve = train(run, gpt(config, { storage }));
        curve.forEach(({ loss }, i) => {
          expect(Math.abs(loss / run.losses[i]! - 1)).toBeLessThan(0.02);
        });
      }
    });
  });
}
