/** @jest-environment ../../jest.environment.mjs */

// Models as transformers saves them compute what it computes in float64, and are written as they were read.

import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend, tensor, tidy, type Tensor } from "@tensorflow/tfjs-core";
import {
  openSafetensors,
  readModel,
  readModelConfig,
  writeModel,
  writeOnnxSteps,
} from "@tessera/checkpoint";
import { gpt, type GptConfig, type GptParams } from "@tessera/gpt";
import { evalContext } from "@tessera/layers";
import type { TokenBatch } from "@tessera/model";
import { accumulate, disposeTree, leafAt, leaves } from "@tessera/params";
import { relativeError, scratchFolder } from "@tessera/testing";
import { modelEngine, onnxEngine, type Engine } from "./index.js";

const FIXTURES = join(__dirname, "../../../fixtures/hugging-face/families");
/** As far as a model in fp32 may be from one in float64, relative to its largest value. */
const TOLERANCE = 1e-5;

interface Expected {
  /** Two rows of tokens. */
  readonly ids: readonly (readonly number[])[];
  /** Of each token of each row. */
  readonly logits: readonly (readonly (readonly number[])[])[];
  /** The mean over all tokens that follow others. */
  readonly loss: number;
  readonly prompt: readonly number[];
  /** What follows the prompt greedily. */
  readonly generated: readonly number[];
}

const scratch = scratchFolder("families");
/** A new folder. */
function made(name: string): string {
  const folder = scratch(name);
  mkdirSync(folder);
  return folder;
}

const values = (x: Tensor): Float32Array => x.dataSync<"float32">();

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  expect([what, relativeError(actual, expected) <= TOLERANCE]).toEqual([what, true]);
}

/** Each token but a row's last, and the one that follows it. */
function batchOf(ids: Expected["ids"]): TokenBatch {
  const shape: [number, number] = [ids.length, ids[0]!.length - 1];
  const from = (first: number) =>
    tensor(
      ids.map((row) => row.slice(first, first + shape[1])),
      shape,
      "int32",
    );
  const count = shape[0] * shape[1];
  const weights = tensor(new Float32Array(count).fill(1 / count), shape);
  return { ids: from(0), targets: { ids: from(1), weights } };
}

/** The likeliest tokens after `prompt`, one by one. */
async function continueGreedily(engine: Engine, prompt: readonly number[], count: number) {
  const ids = [...prompt];
  for (let held = 0; ids.length < prompt.length + count;) {
    const next = Int32Array.from(ids.slice(held));
    const logits = await engine.run({ firstRow: 0, lengths: [held], ids: next, keep: 1 });
    held = ids.length;
    ids.push(logits.indexOf(Math.max(...logits)));
  }
  await engine.close();
  return ids.slice(prompt.length);
}

describe.each(readdirSync(FIXTURES))("%s", (name) => {
  const folder = join(FIXTURES, name);
  const expected = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as Expected;
  let config: GptConfig;
  let params: GptParams;
  beforeAll(async () => {
    enableProdMode();
    await setBackend("cpu");
    config = readModelConfig(folder);
    params = readModel(folder, config);
  });
  afterAll(() => disposeTree(params));

  test("has its logits", () => {
    const model = gpt(config);
    const logits = tidy(() => {
      const ids = tensor(expected.ids.flat(), [2, expected.ids[0]!.length], "int32");
      return model.logits(params, model.activations(params, ids, evalContext));
    });
    expectClose(values(logits), expected.logits.flat(2), "logits");
  });

  test("has its loss, and the gradient of every weight", () => {
    const { sink, take } = accumulate(params);
    const loss = gpt(config).lossAndGradients(params, batchOf(expected.ids), sink, evalContext);
    expectClose(values(loss), [expected.loss], "loss");
    const gradients = take();
    const theirs = readModel(join(folder, "gradients"), config);
    for (const [path, gradient] of leaves<Tensor>(gradients)) {
      expectClose(values(gradient), values(leafAt<Tensor>(theirs, path)!), path);
    }
    disposeTree(gradients);
    disposeTree(theirs);
  });

  test("continues a prompt as it does, token for token", async () => {
    const engine = modelEngine(gpt(config), params, { ...config, rows: 1 });
    const { prompt, generated } = expected;
    expect(await continueGreedily(engine, prompt, generated.length)).toEqual(generated);
  });

  test("continues it so as an ONNX model", async () => {
    const onnx = made(name);
    const valuesAt = (path: string) => values(leafAt<Tensor>(params, path)!);
    expect([...writeOnnxSteps(onnx, config, valuesAt, "fp32")].length).toBeGreaterThan(0);
    const engine = await onnxEngine(onnx, config, { rows: 1 });
    const { prompt, generated } = expected;
    expect(await continueGreedily(engine, prompt, generated.length)).toEqual(generated);
  });

  test("is written with the tensors that it was read from, bit for bit", () => {
    const copy = made(`${name}-copy`);
    writeModel(copy, config, params);
    expect(readModelConfig(copy)).toEqual(config);
    const [theirs, ours] = [folder, copy].map((of) =>
      openSafetensors(join(of, "model.safetensors")),
    );
    expect([...ours!.shapes.keys()].sort()).toEqual([...theirs!.shapes.keys()].sort());
    for (const key of theirs!.shapes.keys()) expect(ours!.read(key)).toEqual(theirs!.read(key));
    for (const file of [theirs!, ours!]) file.close();
  });
});
