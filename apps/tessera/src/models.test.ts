import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

const MAIN = join(__dirname, "../dist/main.js");
const GOLDEN = join(__dirname, "../../../fixtures/golden");
const LLAMA = join(__dirname, "../../../fixtures/hugging-face/llama");

let folder: string;
const at = (name: string): string => join(folder, name);

const tessera = (...args: string[]) =>
  spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8", cwd: folder });

function done(...args: string[]): string {
  const { status, stdout, stderr } = tessera(...args);
  expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-models-"));
  done("convert", GOLDEN, at("exported"), "--tokenizer", "bytes");
  done("convert", at("exported"), at("onnx"), "--to", "onnx");
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

const sampling = ["--temperature", "1", "--top-k", "40", "--top-p", "0.9", "--seed", "7"];
const generate = (engine: string, ...more: string[]): string => {
  const model = engine === "onnx" ? "onnx" : "exported";
  return done("generate", "--model", at(model), "--engine", engine, "--max-tokens", "40", ...more);
};

describe("tessera convert", () => {
  test("export, import, export gives the same bytes, tokenizer and all", () => {
    done("convert", at("exported"), at("again"));
    const names = readdirSync(at("exported")).sort();
    expect(names).toEqual([
      "config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    expect(readdirSync(at("again")).sort()).toEqual(names);
    for (const name of names) {
      expect(
        readFileSync(join(at("again"), name)).equals(readFileSync(join(at("exported"), name))),
      ).toBe(true);
    }
  });

  test("writes several files where they are wanted", () => {
    done("convert", LLAMA, at("shards"), "--max-shard-size", "1e-5", "--precision", "bf16");
    expect(existsSync(join(at("shards"), "model.safetensors.index.json"))).toBe(true);
    done("convert", at("shards"), at("shards-onnx"), "--to", "onnx", "--precision", "fp16");
    expect(readdirSync(at("shards-onnx")).sort()).toEqual([
      "config.json",
      "model.onnx",
      "model.onnx.data",
    ]);
  });

  test.each<[string, () => string[], RegExp]>([
    ["a target that is there", () => [GOLDEN, folder], /is there already/],
    ["bf16 for onnx", () => [GOLDEN, at("new"), "--to", "onnx", "--precision", "bf16"], /no bf16/],
    ["no folder", () => [at("nothing"), at("new")], /config\.json: cannot be read \(ENOENT\)/],
    ["a folder of pickles", () => [at("megatron"), at("new")], /Megatron-DeepSpeed .* pickled/],
    ["no target", () => [GOLDEN], /TARGET is missing/],
  ])("refuses %s in a sentence", (_name, args, said) => {
    mkdirSync(join(at("megatron"), "global_step100"), { recursive: true });
    const { status, stderr } = tessera("convert", ...args());
    expect(status).toBe(2);
    expect(stderr).toMatch(said);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(existsSync(at("new"))).toBe(false);
  });
});

describe("tessera generate", () => {
  test("writes the same text on every engine, and another with another seed", () => {
    const texts = ["onnx", "native", "wasm"].map((engine) =>
      generate(engine, "--prompt", "To be", ...sampling),
    );
    expect(texts[0]).toMatch(/^To be[^]+\n$/);
    expect(texts).toEqual([texts[0], texts[0], texts[0]]);
    expect(generate("onnx", "--prompt", "To be", ...sampling, "--seed", "8")).not.toBe(texts[0]);
  });

  test("writes what it writes alone for each prompt of a file, in their order", () => {
    const prompts = ["a", "To be, or not", "xyz", "b c d e f"];
    writeFileSync(
      at("prompts.jsonl"),
      prompts.map((prompt) => JSON.stringify({ prompt })).join("\n"),
    );
    for (const engine of ["onnx", "native"]) {
      const file = [
        "--prompt-file",
        at("prompts.jsonl"),
        "--batch",
        "3",
        "--output",
        at("texts.jsonl"),
      ];
      generate(engine, ...file, ...sampling);
      const written = readFileSync(at("texts.jsonl"), "utf8").trim().split("\n");
      const texts = written.map((line) => JSON.parse(line) as { prompt: string; text: string });
      expect(texts.map(({ prompt }) => prompt)).toEqual(prompts);
      for (const { prompt, text } of texts) {
        expect(`${prompt}${text}\n`).toBe(generate(engine, "--prompt", prompt, ...sampling));
      }
    }
  }, 120_000);

  test("stops before a stop text", () => {
    const whole = generate("onnx", "--prompt", "To be", ...sampling).slice("To be".length);
    const stop = whole.slice(4, 7);
    const text = generate("onnx", "--prompt", "To be", ...sampling, "--stop", stop);
    expect(text).toBe(`To be${whole.slice(0, whole.indexOf(stop))}\n`);
  });

  test.each<[string, () => string[], RegExp]>([
    ["no model", () => ["--prompt", "a"], /--model: say which folder/],
    ["no prompt", () => ["--model", at("onnx")], /--prompt, --prompt-file: give one/],
    [
      "a prompt file that is none",
      () => ["--model", at("onnx"), "--prompt-file", "/dev"],
      /is no file/,
    ],
    ["no tokenizer", () => ["--model", GOLDEN, "--prompt", "a"], /has no tokenizer\.json/],
    [
      "a tokenizer with more ids",
      () => ["--model", GOLDEN, "--prompt", "a", "--tokenizer", "gpt2"],
      /has 50257 ids, the model 384/,
    ],
    [
      "an empty prompt",
      () => ["--model", at("onnx"), "--prompt-file", at("empty")],
      /has no prompts/,
    ],
    [
      "a line that is not JSON",
      () => ["--model", at("onnx"), "--prompt-file", at("bad.jsonl")],
      /line 2 is not JSON with a text under "prompt"/,
    ],
    [
      "no ONNX there",
      () => ["--model", GOLDEN, "--tokenizer", "bytes", "--engine", "onnx", "--prompt", "a"],
      /model\.onnx: is no file/,
    ],
  ])("refuses %s in a sentence", (_name, args, said) => {
    writeFileSync(at("empty"), "\n\n");
    writeFileSync(at("bad.jsonl"), '{"prompt": "a"}\n{"prompt": 7}\n');
    const { status, stderr } = tessera("generate", ...args());
    expect(stderr).toMatch(said);
    expect(status).toBe(2);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });

  test("shows its help", () => {
    expect(
      execFileSync(process.execPath, [MAIN, "generate", "--help"], { encoding: "utf8" }),
    ).toMatch(/--repetition-penalty[^]*Examples:/);
  });
});
