// A model and its adapter: generated from, merged, and refused.

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { openModel } from "@tessera/checkpoint";
import { withFreshLora, writeAdapter } from "@tessera/checkpoint/adapters";
import { chooseBackend } from "@tessera/engines";
import { outputOf, runNode } from "@tessera/testing";

const MAIN = join(__dirname, "../../dist/main.js");
const GOLDEN = join(__dirname, "../../../../fixtures/golden");

let folder: string;
const at = (name: string): string => join(folder, name);
const tessera = (...args: string[]) => runNode([MAIN, ...args], { cwd: folder });

const done = (...args: string[]): string => outputOf(tessera(...args));

/** Adapters whose B is not zero, as after training. */
function writeTrained(to: string): void {
  const lora = { rank: 2, alpha: 64, rankStabilized: false, dropout: 0 };
  const fresh = withFreshLora(openModel(GOLDEN), { ...lora, targets: ["output", "up", "down"] }, 1);
  mkdirSync(to);
  writeAdapter(
    to,
    {
      ...fresh,
      valuesAt(path) {
        const values = fresh.valuesAt(path);
        return path.endsWith(".b") ? values.map((_zero, i) => Math.sin(i)) : values;
      },
    },
    null,
  );
  fresh.close();
}

beforeAll(async () => {
  await chooseBackend("wasm", process.env);
  folder = mkdtempSync(join(tmpdir(), "tessera-adapter-"));
  done("convert", GOLDEN, at("base"), "--tokenizer", "bytes");
  writeTrained(at("adapter"));
  done("convert", at("base"), at("merged"), "--adapter", at("adapter"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const generate = (...model: string[]): string =>
  done(
    ...["generate", "--engine", "wasm", "--prompt", "To be", "--max-tokens", "16"],
    ...["--temperature", "1", "--seed", "7", "--model", ...model],
  );

test("a model with its adapter writes what the merged one does, and not what the model alone does", () => {
  const adapted = generate(at("base"), "--adapter", at("adapter"));
  expect(adapted).toBe(generate(at("merged")));
  expect(adapted).not.toBe(generate(at("base")));
});

test("the merged model goes to ONNX too", () => {
  done("convert", at("base"), at("onnx"), "--to", "onnx", "--adapter", at("adapter"));
  done("convert", at("merged"), at("onnx-merged"), "--to", "onnx");
  const [adapted, merged] = ["onnx", "onnx-merged"].map((name) =>
    readFileSync(join(at(name), "model.onnx")),
  );
  expect(adapted!.equals(merged!)).toBe(true);
  const { status, stderr } = tessera(
    ...["generate", "--model", at("onnx"), "--prompt", "a", "--adapter", at("adapter")],
  );
  expect(status).toBe(2);
  expect(stderr).toMatch(/--adapter \S+: is not for --engine onnx: merge it, by tessera convert/);
});

test.each([
  [["base", "x", "--to", "adapter"], /the model has no adapters to be written/],
  [
    ["base", "x", "--to", "adapter", "--tokenizer", "bytes"],
    /--tokenizer bytes: is for models; with --to adapter leave it out/,
  ],
  [["base", "x", "--to", "adapter", "--precision", "bf16"], /--precision bf16: is for models/],
  [["adapter", "x"], /adapter: is an adapter .*, and no model; name its model, and the adapter by/],
  [["base", "x", "--adapter", "merged"], /merged: is no adapter: it has no adapter_config.json/],
])("tessera convert %j is refused", (args, said) => {
  const { status, stderr } = tessera("convert", ...args);
  expect(status).toBe(2);
  expect(stderr).toMatch(said);
});
