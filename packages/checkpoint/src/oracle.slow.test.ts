// Files that are written here, as the libraries of their formats read them, and theirs as they are read here.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import { disposeTree } from "@tessera/params";
import { runOracle, scratchFolder } from "@tessera/testing";
import {
  openModel,
  openSafetensors,
  readModel,
  readModelConfig,
  writeModel,
  writeOnnxSteps,
} from "./index.js";

const GOLDEN = join(__dirname, "../../../fixtures/golden");
const LIBRARIES = ["numpy==2.4.6", "safetensors==0.8.0", "onnx==1.23.2"];
const at = scratchFolder("oracle");

beforeAll(() => {
  enableProdMode();
  return setBackend("cpu");
});

test("a model that is written again has the tensors that safetensors reads in the original", () => {
  const config = readModelConfig(GOLDEN);
  const params = readModel(GOLDEN, config);
  const written = at("written");
  mkdirSync(written);
  writeModel(written, config, params);
  disposeTree(params);
  const script = `
import json, sys
from safetensors.numpy import load_file, save_file
given = json.load(sys.stdin)
ours, theirs = load_file(given["written"] + "/model.safetensors"), load_file(given["golden"] + "/model.safetensors")
bare = lambda name: name.removeprefix("transformer.")
theirs = {bare(name): value for name, value in theirs.items()}
same = {bare(name): bool((value == theirs[bare(name)]).all()) for name, value in ours.items()}
save_file(theirs, given["saved"])
print(json.dumps({"same": same, "count": len(theirs), "sums": {n: float(v.sum(dtype="float64")) for n, v in theirs.items()}}))
`;
  const saved = at("saved.safetensors");
  const found = runOracle(LIBRARIES, script, { written, golden: GOLDEN, saved }) as {
    readonly same: Readonly<Record<string, boolean>>;
    readonly count: number;
    readonly sums: Readonly<Record<string, number>>;
  };
  expect(Object.values(found.same)).toEqual(Array<boolean>(found.count).fill(true));
  const file = openSafetensors(saved);
  expect([...file.shapes.keys()].sort()).toEqual(Object.keys(found.sums).sort());
  for (const [name, sum] of Object.entries(found.sums)) {
    const ours = file.read(name).reduce((a, b) => a + b, 0);
    expect(Math.abs(ours - sum)).toBeLessThan(1e-6 * (1 + Math.abs(sum)));
  }
  file.close();
});

test.each(["fp32", "fp16"] as const)(
  "an ONNX model in %s passes onnx's own checker",
  (precision) => {
    const folder = at(`onnx-${precision}`);
    mkdirSync(folder);
    const model = openModel(GOLDEN);
    const valuesAt = (path: string): Float32Array => model.valuesAt(path);
    for (const _written of writeOnnxSteps(folder, model.config, valuesAt, precision));
    model.close();
    const script = `
import json, sys, onnx
path = json.load(sys.stdin) + "/model.onnx"
onnx.checker.check_model(path, full_check=True)
model = onnx.load(path)
print(json.dumps({"inputs": [one.name for one in model.graph.input], "operators": sorted({node.op_type for node in model.graph.node})}))
`;
    const found = runOracle(LIBRARIES, script, folder) as {
      readonly inputs: readonly string[];
      readonly operators: readonly string[];
    };
    expect(found.inputs).toContain("input_ids");
    expect(found.operators).toContain("MatMul");
  },
);
