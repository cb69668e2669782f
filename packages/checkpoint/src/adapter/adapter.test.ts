// Adapters as PEFT saves them: what they compute, and what becomes of them when they are merged, written and wrong.

import "@tensorflow/tfjs-backend-cpu";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  enableProdMode,
  memory,
  setBackend,
  tensor,
  tidy,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { gpt, type GptConfig } from "@tessera/gpt";
import { isLoraPath } from "@tessera/gpt/lora";
import { evalContext } from "@tessera/layers";
import type { TokenBatch } from "@tessera/model";
import { createSink, disposeTree, resolveGradient } from "@tessera/params";
import { frozenIn } from "@tessera/params/frozen";
import { relativeError } from "@tessera/testing";
import {
  mergeLora,
  readAdapterConfig,
  withAdapter,
  withFreshLora,
  writeAdapter,
} from "../adapters.js";
import { openModel, openSafetensors, readOpenModel, writeSafetensors } from "../index.js";

const FIXTURES = join(__dirname, "../../../../fixtures/hugging-face");
const NAMES = ["llama3.1", "qwen2"];
const baseOf = (name: string): string => join(FIXTURES, "families", name);
const adapterOf = (name: string): string => join(FIXTURES, "adapters", name);

interface Expected {
  readonly ids: readonly (readonly number[])[];
  readonly logits: readonly (readonly (readonly number[])[])[];
  readonly loss: number;
}
const expectedOf = (name: string): Expected =>
  JSON.parse(readFileSync(join(adapterOf(name), "expected.json"), "utf8")) as Expected;

let scratch: string;
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "tessera-adapters-"));
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
});
afterAll(() => rmSync(scratch, { recursive: true }));

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  expect([what, relativeError(actual, expected) < 1e-5]).toEqual([what, true]);
}

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

const adapted = (name: string) => withAdapter(openModel(baseOf(name)), adapterOf(name));

/** Of all positions of `ids`. Closes `model`. */
function logitsOf(model: ReturnType<typeof openModel>, { ids }: Expected): Float32Array {
  const { config } = model;
  const params = readOpenModel(model);
  return tidy(() => {
    const input = tensor(ids.flat(), [ids.length, ids[0]!.length], "int32");
    const full = gpt(config);
    const logits = full.logits(params, full.activations(params, input, evalContext));
    return logits.dataSync<"float32">();
  });
}

/** The gradients that a training run would be given, by path. */
function gradientsOf(config: GptConfig, params: ReturnType<typeof readOpenModel>, ids: number[][]) {
  const model = gpt(config);
  const gradients = new Map<string, Tensor>();
  const sink = createSink(
    params,
    (path, gradient) => gradients.set(path, resolveGradient(gradient)),
    frozenIn(model.spec),
  );
  const batch = batchOf(ids);
  const before = memory().numTensors;
  const loss = model.lossAndGradients(params, batch, sink, evalContext);
  expect(memory().numTensors).toBe(before + gradients.size + 1);
  return { loss: loss.dataSync()[0]!, gradients };
}

describe.each(NAMES)("the adapter of %s", (name) => {
  const expected = expectedOf(name);

  test("has PEFT's logits", () => {
    expectClose(logitsOf(adapted(name), expected), expected.logits.flat(2), "logits");
  });

  test("has its loss and the gradients of A and B, and no others are computed", () => {
    const model = adapted(name);
    const { config } = model;
    const params = readOpenModel(model);
    const ids = expected.ids.map((row) => [...row]);
    const { loss, gradients } = gradientsOf(config, params, ids);
    expectClose([loss], [expected.loss], "loss");
    const theirs = withAdapter(openModel(baseOf(name)), join(adapterOf(name), "gradients"));
    expect([...gradients.keys()].filter((path) => !isLoraPath(path))).toEqual([]);
    expect(gradients.size).toBe(
      openSafetensors(join(adapterOf(name), "adapter_model.safetensors")).shapes.size,
    );
    for (const [path, gradient] of gradients) {
      expectClose(gradient.dataSync(), theirs.valuesAt(path), path);
    }
    theirs.close();
    disposeTree(params);
  });

  test("computes the same once it is merged", () => {
    const merged = mergeLora(adapted(name));
    expect(merged.config.lora).toBeUndefined();
    expectClose(logitsOf(merged, expected), expected.logits.flat(2), "logits");
  });

  test("is written with the tensors that it was read from, bit for bit", () => {
    const folder = mkdtempSync(join(scratch, "written-"));
    const model = adapted(name);
    writeAdapter(folder, model, "families/base");
    const [theirs, ours] = [adapterOf(name), folder].map((of) =>
      openSafetensors(join(of, "adapter_model.safetensors")),
    );
    expect([...ours!.shapes].sort()).toEqual([...theirs!.shapes].sort());
    for (const key of theirs!.shapes.keys()) expect(ours!.read(key)).toEqual(theirs!.read(key));
    const json = (of: string) =>
      JSON.parse(readFileSync(join(of, "adapter_config.json"), "utf8")) as Record<string, unknown>;
    const [written, read] = [json(folder), json(adapterOf(name))];
    const same = ["r", "lora_alpha", "lora_dropout", "use_rslora", "bias"];
    for (const key of [...same, "peft_type", "task_type", "fan_in_fan_out"]) {
      expect([key, written[key]]).toEqual([key, read[key]]);
    }
    // PEFT has the names that "all-linear" stands for in full.
    const short = (read["target_modules"] as string[]).map((module) => module.split(".").at(-1));
    expect(written["target_modules"]).toEqual([...new Set(short)].sort());
    expect(readAdapterConfig(folder, model.config)).toEqual(model.config.lora);
    for (const file of [theirs!, ours!, model]) file.close();
  });
});

test("fresh adapters change nothing, and are a function of the seed", () => {
  const name = "llama3.1";
  const targets = ["query", "value"] as const;
  const lora = { rank: 2, alpha: 4, rankStabilized: false, dropout: 0, targets };
  const fresh = (seed: number) => withFreshLora(openModel(baseOf(name)), lora, seed);
  const expected = expectedOf(name);
  expect(logitsOf(fresh(1), expected)).toEqual(logitsOf(openModel(baseOf(name)), expected));
  const path = "blocks.1.attention.heads.keyValue.lora.value.a";
  const [first, again, other] = [1, 1, 2].map((seed) => fresh(seed).valuesAt(path));
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
  expect(Math.max(...first!.map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(16));
});

/** The adapter of llama3.1, with another configuration or other tensors. */
function changed(
  json: Readonly<Record<string, unknown>>,
  change: (tensors: Map<string, readonly number[]>) => void = () => undefined,
): string {
  const folder = mkdtempSync(join(scratch, "changed-"));
  cpSync(adapterOf("llama3.1"), folder, { recursive: true });
  const path = join(folder, "adapter_config.json");
  const file = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify({ ...file, ...json }));
  const weights = openSafetensors(join(adapterOf("llama3.1"), "adapter_model.safetensors"));
  const shapes = new Map(weights.shapes);
  weights.close();
  change(shapes);
  const tensors = [...shapes].map(([name, shape]) => ({
    name,
    shape,
    values: () => new Float32Array(shape.reduce((a, b) => a * b, 1)),
  }));
  writeSafetensors(join(folder, "adapter_model.safetensors"), tensors);
  return folder;
}

const Q = "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight";

test.each<[what: string, make: () => string, said: RegExp]>([
  ["another bias", () => changed({ bias: "all" }), /: bias: .*"all"/],
  ["DoRA", () => changed({ use_dora: true }), /: use_dora is true, which is not supported/],
  [
    "modules_to_save",
    () => changed({ modules_to_save: ["lm_head"] }),
    /modules_to_save is \["lm_head"\]/,
  ],
  [
    "rank_pattern",
    () => changed({ rank_pattern: { q_proj: 4 } }),
    /rank_pattern is \{"q_proj":4\}/,
  ],
  ["some layers", () => changed({ layers_to_transform: [0] }), /layers_to_transform is \[0\]/],
  ["what is unknown", () => changed({ use_magic: 1 }), /use_magic is 1, which is not supported/],
  ["another kind", () => changed({ peft_type: "LOHA" }), /peft_type: .*"LOHA"/],
  ["another base", () => changed({ init_lora_weights: "pissa" }), /init_lora_weights: .*"pissa"/],
  ["a rank of 0", () => changed({ r: 0 }), /: r: /],
  ["a pattern", () => changed({ target_modules: ".*proj" }), /target_modules: /],
  ["another rank", () => changed({ r: 4 }), /q_proj.lora_A.weight is \[3, 16\], .* say \[4, 16\]/],
  [
    "a layer that its configuration does not name",
    () => changed({ target_modules: ["q_proj"] }),
    /target_modules of adapter_config.json do not name its layer, model.layers.0.mlp.down_proj/,
  ],
  [
    "a layer without its adapter",
    () => changed({}, (shapes) => shapes.delete(Q)),
    /has no tensor .*layers.1.self_attn.q_proj.lora_A.weight: adapters of some layers alone/,
  ],
  [
    "a layer that the model lacks",
    () => changed({}, (shapes) => shapes.set(Q.replace("layers.1", "layers.7"), [3, 16])),
    /layers.7.self_attn.q_proj.lora_A.weight: the model has no such linear layer/,
  ],
  ["a folder without one", () => baseOf("qwen2"), /is no adapter: it has no adapter_config.json/],
])("%s is refused in one sentence", (_what, make, said) => {
  const base = openModel(baseOf("llama3.1"));
  expect(() => withAdapter(base, make())).toThrow(said);
  base.close();
});

test("parts of a fused linear layer are trained and merged, but have no place in PEFT's files", () => {
  const lora = { rank: 2, alpha: 2, rankStabilized: false, dropout: 0 };
  const base = () => openModel(baseOf("pythia"));
  const query = withFreshLora(base(), { ...lora, targets: ["query"] }, 1);
  expect(() => writeAdapter(scratch, query, null)).toThrow(
    /^blocks.0.*query.a: adapts a part of a linear layer that is one in files/,
  );
  const path = "blocks.0.attention.heads.query.weight";
  expect(mergeLora(query).valuesAt(path)).toEqual(base().valuesAt(path));
  const folder = mkdtempSync(join(scratch, "pythia-"));
  const down = withFreshLora(base(), { ...lora, targets: ["down"] }, 1);
  writeAdapter(folder, down, null);
  expect(readAdapterConfig(folder, base().config)).toEqual(down.config.lora);
  expect(() => withAdapter(down, folder)).toThrow(/the model has adapters already/);
});
