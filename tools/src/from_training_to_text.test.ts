// What one app trains the others take: a checkpoint becomes ONNX, and both write the same text.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";

const app = (name: string): string => join(__dirname, "../../apps", name, "dist/main.js");

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "tessera-text-"))));
afterAll(() => rmSync(folder, { recursive: true }));

const run = (name: string, words: string): string =>
  execFileSync(process.execPath, [app(name), ...words.split(" ")], {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });

test("a checkpoint of training writes the same text as the ONNX model that is made of it", () => {
  writeFileSync(join(folder, "text.txt"), "To be, or not to be, that is the question. ".repeat(40));
  const sizes = "--model tiny --max_len 32 --per_device_train_batch_size 4 --max_steps 8";
  run("gpt-ddp", `--text text.txt ${sizes} --save_steps 4 --eval_steps 0 --sample_len 0`);
  run("tessera", "convert outputs/checkpoint-8 exported --tokenizer bytes");
  run("tessera", "convert outputs/checkpoint-8 onnx --to onnx --tokenizer bytes");
  const config = readFileSync(join(folder, "exported/config.json"), "utf8");
  expect(JSON.parse(config)).toMatchObject({ model_type: "gpt2" });
  const models = [
    "outputs/checkpoint-8 --tokenizer bytes",
    "exported",
    "exported --engine wasm",
    "onnx",
  ];
  const texts = models.map((model) =>
    run("tessera", `generate --model ${model} --prompt To --max-tokens 24 --seed 3`),
  );
  expect(texts[0]!.length).toBeGreaterThan(12);
  expect(new Set(texts).size).toBe(1);
});
