import { spawn } from "node:child_process";
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
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createDatasetWriter } from "@tessera/data/megatron";
import { runNode } from "@tessera/testing";

const MAIN = join(__dirname, "../dist/main.js");
const GOLDEN = join(__dirname, "../../../fixtures/golden");
const LLAMA = join(__dirname, "../../../fixtures/hugging-face/llama");

let folder: string;
const at = (name: string): string => join(folder, name);

const tessera = (...args: string[]) => runNode([MAIN, ...args], { cwd: folder });

function done(...args: string[]): string {
  const { status, stdout, stderr } = tessera(...args);
  expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-models-"));
  done("convert", GOLDEN, at("exported"), "--tokenizer", "bytes");
  done("convert", at("exported"), at("onnx"), "--to", "onnx");
});
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
  });

  test("stops before a stop text", () => {
    const whole = generate("onnx", "--prompt", "To be", ...sampling).slice("To be".length);
    const stop = whole.slice(4, 7);
    const text = generate("onnx", "--prompt", "To be", ...sampling, "--stop", stop);
    expect(text).toBe(`To be${whole.slice(0, whole.indexOf(stop))}\n`);
  });

  test.each<[string, () => string[], RegExp]>([
    ["no model", () => ["--prompt", "a"], /--model: name the folder/],
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
    expect(done("generate", "--help")).toMatch(/--repetition-penalty[^]*Examples:/);
  });
});

describe("tessera eval", () => {
  const { tokens, loss_of_first_batch: golden } = JSON.parse(
    readFileSync(join(GOLDEN, "expected.json"), "utf8"),
  ) as { readonly tokens: readonly (readonly number[][])[]; readonly loss_of_first_batch: number };

  test.each(["onnx", "native"])("has PyTorch's loss on the golden batch: %s", (engine) => {
    const writer = createDatasetWriter(at(`golden-${engine}`), "u16");
    for (const row of tokens[0]!) {
      writer.append(row);
      writer.endDocument();
    }
    writer.finish();
    const model = ["--model", at(engine === "onnx" ? "onnx" : "exported"), "--engine", engine];
    const windows = ["--context", String(tokens[0]![0]!.length)];
    const told = done("eval", ...model, "--data", at(`golden-${engine}`), ...windows, "--json");
    const found = JSON.parse(told) as { loss: number; perplexity: number; tokens: number };
    expect(found.tokens).toBe(8 * 32);
    expect(Math.abs(found.loss - golden)).toBeLessThan(1e-5);
    expect(found.perplexity).toBeCloseTo(Math.exp(found.loss), 6);
  });

  test("finds the same on every engine, of a text and of last words", () => {
    writeFileSync(at("text.txt"), "To be, or not to be, that is the question. ".repeat(8));
    const passages = ["one two three", "to be or not to be"].map((text) =>
      JSON.stringify({ text }),
    );
    writeFileSync(at("passages.jsonl"), passages.join("\n"));
    for (const task of [
      ["--text", at("text.txt"), "--stride", "20"],
      ["--lambada", at("passages.jsonl")],
    ]) {
      const [onnx, native] = ["onnx", "native"].map((engine) => {
        const model = ["--model", at(engine === "onnx" ? "onnx" : "exported"), "--engine", engine];
        return JSON.parse(done("eval", ...model, ...task, "--json")) as { perplexity: number };
      });
      expect(onnx!.perplexity).toBeGreaterThan(1);
      expect(native!.perplexity / onnx!.perplexity).toBeCloseTo(1, 4);
    }
  });

  test.each<[string, () => string[], RegExp]>([
    ["no task", () => [], /--text, --data, --lambada: give one/],
    ["a text that is none", () => ["--text", "/dev"], /is no file/],
    ["a passage of one word", () => ["--lambada", at("one.jsonl")], /fewer than two words/],
    [
      "a stride as wide as a window",
      () => ["--text", at("one.jsonl"), "--stride", "64"],
      /must be below the 64/,
    ],
  ])("refuses %s in a sentence", (_name, args, said) => {
    writeFileSync(at("one.jsonl"), '{"text": "one"}');
    const { status, stderr } = tessera("eval", "--model", at("onnx"), ...args());
    expect(stderr).toMatch(said);
    expect(status).toBe(2);
  });
});

describe("tessera serve", () => {
  test("answers what tessera generate writes, and ends on Ctrl-C", async () => {
    const args = [MAIN, "serve", "--model", at("onnx"), "--port", "0"];
    const server = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(server, "exit");
    const [line] = (await once(server.stdout, "data")) as [Buffer];
    const [, address] = /listening on (http:\S+)/.exec(line.toString())!;
    const settings = { temperature: 1, top_k: 40, top_p: 0.9, seed: 7, max_tokens: 40 };
    const response = await fetch(`${address}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt: "To be", ...settings, echo: true }),
    });
    const { choices } = (await response.json()) as { choices: { text: string }[] };
    expect(`${choices[0]!.text}\n`).toBe(generate("onnx", "--prompt", "To be", ...sampling));
    server.kill("SIGINT");
    expect((await ended)[0]).toBe(130);
  });

  test.each([
    [
      "to be reached by others without a key",
      ["--host", "0.0.0.0"],
      /set a key with --api-key-file/,
    ],
    ["a key file that is none", ["--api-key-file", "/nothing"], /cannot be read \(ENOENT\)/],
  ])("refuses %s in a sentence", (_name, args, said) => {
    const { status, stderr } = tessera("serve", "--model", at("onnx"), ...args);
    expect(stderr).toMatch(said);
    expect(status).toBe(2);
  });
});
