// The TensorFlow engine, built by the command that users have on the TensorFlow that PyPI has for processors, or that of
// the environment TESSERA_TENSORFLOW: every kernel, the golden model, and training as a user meets it.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, engine, memory, setBackend, type TensorInfo } from "@tensorflow/tfjs-core";
import { singleWorld } from "@tessera/collectives";
import { createFeed, sequentialOrder } from "@tessera/data";
import { gptConfig, gptModel } from "@tessera/gpt";
import { cases, difference, nameOf, runCase, type Place } from "@tessera/kernels/laws";
import type { FloatStorage } from "@tessera/kernels/memory";
import {
  describeTensorFlow,
  loadTensorFlow,
  whyUnavailable,
  type Emit,
  type TensorFlowBackend,
} from "@tessera/kernels-tensorflow";
import { disposeTree } from "@tessera/params";
import { compareLayouts, startsOf, trainAlone } from "./programs/check_matrix.js";
import { smallSelection } from "./programs/matrix.js";
import { launchOnTensorFlow } from "./programs/run_layouts.js";
import { installPython, launchRanks, runNode, scratchFolder } from "@tessera/testing";
import { planRun, startRun } from "@tessera/trainer";
import { takeStep } from "@tessera/trainer/loop";
import { describeGolden, describeGoldenIn16Bits } from "./programs/golden.js";

const PACKAGE = "tensorflow-cpu==2.21.0";
const NAMED = process.env["TESSERA_TENSORFLOW"];
const MAIN = join(__dirname, "../dist/main.js");
const TESSERA = join(__dirname, "../../tessera/dist/main.js");

beforeAll(() => {
  enableProdMode();
  // The C API needs none of what its Python side needs.
  const environment = NAMED ?? dirname(dirname(installPython([], [PACKAGE])));
  const built = runNode([TESSERA, "build-engines", "--tensorflow", environment]);
  expect([built.status, built.stdout]).toEqual([
    0,
    expect.stringMatching(/TensorFlow engine: TensorFlow \S+, .*GPU/),
  ]);
  expect(whyUnavailable(1)).toBeNull();
  loadTensorFlow(1);
}, 900_000);

test("says what computes", () => {
  const built = { builtFor: "processors", remarks: [] };
  const tried = { version: "2.21.0", device: "CPU", gpus: 0, compiles: true, ...built };
  const named = {
    ...tried,
    version: expect.any(String),
    device: expect.stringMatching(/^[CG]PU$/),
    builtFor: expect.stringMatching(/^(processors|CUDA|ROCm)/),
    remarks: expect.any(Array),
  };
  const { gpus, ...facts } = describeTensorFlow()!;
  const { gpus: none, ...expected } = NAMED === undefined ? tried : named;
  expect(facts).toEqual(expected);
  if (facts.device === "CPU") expect(gpus).toBe(none);
});

test("what goes wrong in the queue is thrown once it is waited for, and what follows is computed", () => {
  const backend = engine().findBackend("tensorflow") as TensorFlowBackend;
  const upload = (value: number) => backend.uploadValues(Float32Array.of(value), [1], "fp32");
  const [bad, good] = [upload(Number.NaN), upload(3)];
  const check = (x: typeof bad) => {
    const [y] = backend.run({
      key: "checkNumerics",
      inputs: [x],
      emit: (graph, [value]) => [
        graph.op("CheckNumerics", [value!], [["message", "text", "no number here"]]),
      ],
    });
    return y!;
  };
  expect(() => {
    const y = check(bad);
    backend.binding.wait();
    backend.disposeData(y.dataId);
  }).toThrow("no number here");
  const y = check(good);
  expect(backend.readSync(y.dataId)).toEqual(Float32Array.of(3));
  for (const { dataId } of [bad, good, y]) backend.disposeData(dataId);
});

test("an update keeps the values of what shares its tensor, and of what was read before", () => {
  const backend = engine().findBackend("tensorflow") as TensorFlowBackend;
  const double = (x: TensorInfo): TensorInfo => {
    const emit: Emit = (graph, [value]) => [graph.op("AddV2", [value!, value!])];
    const [[made]] = backend.update([{ key: "double", updated: [x], others: [], emit }]) as [
      [TensorInfo],
    ];
    return made;
  };
  const read = ({ dataId }: TensorInfo) => [...(backend.readSync(dataId) as Float32Array)];
  const one = backend.uploadValues(Float32Array.of(1, 2), [2], "fp32");
  const shared = backend.view(one, [2, 1]);
  const two = double(one);
  const four = double(two);
  const alsoFour = backend.view(four, [1, 2]);
  const eight = double(four);
  const sixteen = double(eight);
  expect([shared, alsoFour, sixteen].map(read)).toEqual([
    [1, 2],
    [4, 8],
    [16, 32],
  ]);
  expect(() => read(two)).toThrow("has no values");
  for (const { dataId } of [one, shared, two, four, alsoFour, eight, sixteen]) {
    backend.disposeData(dataId);
  }
});

describe("each kernel has its composite's numbers in every storage, and leaves no tensor:", () => {
  /** Relative to the largest value of an output. */
  const tolerances = { fp32: 1e-5, bf16: 2e-2, fp16: 3e-3 };
  const composite: Place = { backend: "cpu", storage: "fp32" };
  const tensorflow = (storage: FloatStorage): Place => ({ backend: "tensorflow", storage });

  test.each(cases.map((one) => [nameOf(one), one] as const))("%s", async (_name, one) => {
    const before = memory().numTensors;
    const expected = await runCase(one, composite);
    for (const storage of ["fp32", "bf16", "fp16"] as const) {
      const actual = await runCase(one, tensorflow(storage));
      expected.forEach(([name, shape, values], i) => {
        const [actualName, actualShape, actualValues] = actual[i]!;
        expect([actualName, actualShape]).toEqual([name, shape]);
        expect(difference(actualValues, values)).toBeLessThan(tolerances[storage]);
      });
    }
    expect(memory().numTensors).toBe(before);
  });
});

describeGolden("tensorflow", 20);
describeGoldenIn16Bits("tensorflow");

test("a step of 12 layers is at most 1,500 operations, reads nothing, and leaves no tensor", async () => {
  await setBackend("tensorflow");
  const backend = engine().backend as TensorFlowBackend;
  const samples = { count: 8, length: 512, read: (_: number, into: Int32Array) => into.fill(1) };
  const config = { layerCount: 12, hiddenSize: 32, headCount: 2, vocabularySize: 64 };
  const { plan, ...run } = await planRun(singleWorld(), {
    model: gptModel(gptConfig({ ...config, maxPositions: 512 })),
    data: { train: createFeed(samples, { order: sequentialOrder(8) }) },
    batch: { micro: 1 },
    duration: { steps: 8 },
    schedule: { kind: "constant", peak: 1e-4, floor: 0, warmup: 0, total: 8 },
  });
  let state = startRun({ plan, ...run });
  const step = (): void => {
    const { state: next, report } = takeStep(plan, state);
    state = next;
    disposeTree({ loss: report.loss, norm: report.gradientNorm });
  };
  step();
  const before = [memory().numTensors, backend.hostReads, backend.binding.operations()] as const;
  step();
  expect([memory().numTensors, backend.hostReads]).toEqual(before.slice(0, 2));
  expect(backend.binding.operations() - before[2]).toBeLessThanOrEqual(1500);
  disposeTree(state.params);
  disposeTree(state.optimizer);
});

describe("ranks of MPI train as one does on the native engine", () => {
  const choices = smallSelection();
  const references = trainAlone(choices);

  test.each(startsOf(choices))("layouts of $ranks ranks", async ({ choices: of }) => {
    const compared = await compareLayouts(of, await references, launchOnTensorFlow);
    expect(compared).toEqual(compared.map(({ name }) => ({ name, differences: {} })));
    expect(compared).toHaveLength(of.length);
  });
});

describe("training", () => {
  const at = scratchFolder("tensorflow");
  const FLAGS = [
    ...["--model", "tiny", "--max_len", "32", "--max_steps", "6", "--logging_steps", "1"],
    ...["--sample_len", "0", "--dropout", "0.1", "--eval_steps", "0"],
  ];

  /** Its losses, one a step. */
  function train(name: string, backend: string, words: readonly string[] = [], ranks = 1) {
    const text = at("text.txt");
    writeFileSync(text, "Call me Ishmael. Some years ago, never mind how long. ".repeat(200));
    const args = [MAIN, ...FLAGS, "--backend", backend, "--text", text, "--output_dir", at(name)];
    const batch = ["--per_device_train_batch_size", String(4 / ranks)];
    const all = [...args, ...batch, ...words];
    const { status, stderr } = ranks === 1 ? runNode(all) : launchRanks(ranks, all);
    expect([status, status === 0 ? "" : stderr]).toEqual([0, ""]);
    return readFileSync(join(at(name), "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { loss?: number }).loss)
      .filter((loss) => loss !== undefined);
  }

  const expectClose = (actual: readonly number[], expected: readonly number[], within: number) => {
    expect(actual).toHaveLength(expected.length);
    actual.forEach((loss, i) => expect(Math.abs(loss / expected[i]! - 1)).toBeLessThan(within));
  };

  test("has native's losses, dropout's masks among them, on one rank and on two", () => {
    const native = train("native", "native");
    expectClose(train("one", "tensorflow"), native, 1e-4);
    expectClose(train("two", "tensorflow", ["--zero_stage", "2"], 2), native, 1e-4);
    expectClose(train("bf16", "tensorflow", ["--bf16"]), native, 2e-2);
  });

  test("goes on from a checkpoint of native's, and native from one of TensorFlow's", () => {
    const half = ["--max_steps", "3"];
    const rest = ["--resume_from_checkpoint", "--allow_changes"];
    const trained = (first: string, second: string) => {
      train(`${first}-${second}`, first, half);
      return train(`${first}-${second}`, second, rest);
    };
    const native = trained("native", "native");
    expectClose(trained("native", "tensorflow"), native, 1e-4);
    expectClose(trained("tensorflow", "native"), native, 1e-4);
  });

  test("writes the text that native writes", () => {
    train("writer", "native");
    const write = (engine: string) => {
      const words = ["--model", at("writer"), "--tokenizer", "bytes", "--prompt", "Call"];
      const limits = ["--max-tokens", "12", "--temperature", "0", "--engine", engine];
      return runNode([TESSERA, "generate", ...words, ...limits]).stdout;
    };
    expect(write("native")).not.toBe("");
    expect(write("tensorflow")).toBe(write("native"));
  });
});
