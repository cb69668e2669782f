import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend, type Tensor } from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import { uniformDropout, gpt, gptConfig, type GptConfig, type GptParams } from "@tessera/gpt";
import { leaves, materialize, type Tree } from "@tessera/params";
import {
  openSafetensors,
  readModel,
  readModelConfig,
  writeModel,
  writeSafetensors,
} from "./index.js";

const GOLDEN = join(__dirname, "../../../fixtures/golden");

let folder: string;
beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-checkpoint-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const config = gptConfig({
  layerCount: 2,
  hiddenSize: 8,
  headCount: 2,
  vocabularySize: 11,
  maxPositions: 6,
  dropout: uniformDropout(0.1),
});

const make = (of: GptConfig, seed: number) => materialize<GptParams>(gpt(of).spec, seed);

const values = (tree: Tree) =>
  leaves<Tensor>(tree).map(([path, leaf]) => [path, leaf.shape, [...leaf.dataSync()]]);

describe("a model folder", () => {
  test("written by Hugging Face's code is read, and written again to the same tensors", () => {
    const golden = readModelConfig(GOLDEN);
    const params = readModel(GOLDEN, golden);
    writeModel(folder, golden, params);
    expect(readModelConfig(folder)).toEqual(golden);
    const [theirs, ours] = [GOLDEN, folder].map((at) =>
      openSafetensors(join(at, "model.safetensors")),
    );
    // Names of GPT-2's own files lack the prefix that models saved by the library have.
    const longName = (name: string) => `transformer.${name}`;
    const names = [...theirs!.shapes.keys()];
    expect(new Set(ours!.shapes.keys())).toEqual(new Set(names.map(longName)));
    for (const [name, shape] of theirs!.shapes) {
      expect(ours!.shapes.get(longName(name))).toEqual(shape);
      expect(ours!.read(longName(name))).toEqual(theirs!.read(name));
    }
    theirs!.close();
    ours!.close();
  });

  test.each([true, false])("loses nothing, embeddings tied: %s", (tiedEmbeddings) => {
    const of = { ...config, tiedEmbeddings };
    const params = make(of, 5);
    writeModel(folder, of, params);
    expect(readModelConfig(folder)).toEqual(of);
    expect(values(readModel(folder, of))).toEqual(values(params));
  });

  test.each<[string, Partial<GptConfig>]>([
    ["shared key heads", { kvHeadCount: 1 }],
    [
      "rotary positions on half of each head, scaled, and no biases",
      {
        positions: {
          kind: "rotary",
          base: 10_000,
          fraction: 0.5,
          pairs: "halves",
          scaling: { kind: "linear", factor: 2 },
        },
        biases: { attention: false, mlp: false, head: false },
      },
    ],
  ])("of a model that is no GPT-2 loses nothing: %s", (_name, change) => {
    const of = gptConfig({ ...config, ...change });
    const params = make(of, 5);
    writeModel(folder, of, params);
    expect(readModelConfig(folder)).toEqual(of);
    expect(values(readModel(folder, of))).toEqual(values(params));
    const path = join(folder, "config.json");
    writeFileSync(path, readFileSync(path, "utf8").replace('"hiddenSize": 8', '"hiddenSize": "8"'));
    expect(() => readModelConfig(folder)).toThrow(/config\.json: config\.hiddenSize/);
  });
});

describe("a safetensors file", () => {
  test.each([
    ["F32", new Float32Array([1, -2.5]), [1, -2.5]],
    ["BF16", new Uint16Array([0x3f80, 0xc020]), [1, -2.5]],
    ["F16", new Uint16Array([0x3c00, 0xc100, 0x0001, 0x7c00]), [1, -2.5, 2 ** -24, Infinity]],
  ])("of %s is widened", (dtype, stored, expected) => {
    const entry = { dtype, shape: [stored.length], data_offsets: [0, stored.byteLength] };
    const path = write(JSON.stringify({ a: entry }), new Uint8Array(stored.buffer));
    expect([...openSafetensors(path).read("a")]).toEqual(expected);
  });

  /** A file with any header and data. */
  function write(header: string, data = new Uint8Array(8), claimed?: bigint): string {
    const prefix = new BigUint64Array([claimed ?? BigInt(header.length)]);
    const path = join(folder, "made.safetensors");
    writeFileSync(path, Buffer.concat([Buffer.from(prefix.buffer), Buffer.from(header), data]));
    return path;
  }

  const entry = (changes: object) =>
    JSON.stringify({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...changes } });

  test.each<[string, () => string]>([
    ["no header", () => write("", undefined, 2n ** 60n)],
    ["a header longer than the file", () => write("{}", undefined, 1000n)],
    ["no JSON", () => write("{broken")],
    ["JSON that is a list", () => write("[1,2]")],
    ["an unknown dtype", () => write(entry({ dtype: "I64" }))],
    ["a negative offset", () => write(entry({ data_offsets: [-4, 4] }))],
    ["an offset beyond the end", () => write(entry({ shape: [4], data_offsets: [0, 16] }))],
    ["a shape that needs other bytes", () => write(entry({ shape: [3] }))],
    ["a huge shape", () => write(entry({ shape: [2 ** 40, 2 ** 40] }))],
    ["bytes that no tensor owns", () => write(entry({}), new Uint8Array(12))],
  ])("with %s is refused by name", (_fault, make_) => {
    const path = make_();
    expect(() => openSafetensors(path)).toThrow(UserError);
    expect(() => openSafetensors(path)).toThrow(path);
  });

  test("keeps its metadata", () => {
    const path = join(folder, "m.safetensors");
    writeSafetensors(path, [], { format: "pt" });
    expect(openSafetensors(path).metadata).toEqual({ format: "pt" });
  });
});
