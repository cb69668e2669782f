import {
  cpSync,
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
import { createDatasetWriter } from "@tessera/data/megatron";
import { outputOf, runNode } from "@tessera/testing";
import { tokenizerFolder } from "./models/open_model.js";

const MAIN = join(__dirname, "../dist/main.js");
const GOLDEN = join(__dirname, "../../../fixtures/golden");
const LLAMA = join(__dirname, "../../../fixtures/hugging-face/llama");
const BOS = join(__dirname, "../../../fixtures/hugging-face/bos");

let folder: string;
const at = (name: string): string => join(folder, name);

const tessera = (...args: string[]) => runNode([MAIN, ...args], { cwd: folder });

const done = (...args: string[]): string => outputOf(tessera(...args));

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
      "generation_config.json",
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

  test("what a model says of its texts goes along, into either format", () => {
    cpSync(BOS, at("bos"), { recursive: true });
    writeFileSync(join(at("bos"), "chat_template.jinja"), "{{ messages }}");
    const settings = { temperature: 0.6, eos_token_id: [1, 2] };
    writeFileSync(join(at("bos"), "generation_config.json"), JSON.stringify(settings));
    for (const to of ["hugging-face", "onnx"]) {
      const target = at(`bos-${to}`);
      expect(tessera("convert", at("bos"), target, "--to", to)).toMatchObject({
        status: 0,
        stderr: "",
      });
      const json = (name: string) => JSON.parse(readFileSync(join(target, name), "utf8")) as object;
      const ids = { bos_token_id: 0, eos_token_id: [1, 2], pad_token_id: null };
      expect(json("config.json")).toMatchObject(ids);
      expect(json("generation_config.json")).toEqual({ temperature: 0.6, ...ids });
      for (const name of ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]) {
        const [copy, original] = [target, at("bos")].map((one) => readFileSync(join(one, name)));
        expect(copy!.equals(original!)).toBe(true);
      }
    }
    expect(tokenizerFolder(join(at("bos"), "checkpoint-7"))).toBe(at("bos"));
    expect(tokenizerFolder(join(at("bos"), "other"))).toBeUndefined();
  });

  test("writes several files where they are wanted", () => {
    done("convert", LLAMA, at("shards"), "--max-shard-size", "1e-5", "--precision", "bf16");
    expect(existsSync(join(at("shards"), "model.safetensors.index.json"))).toBe(true);
    done("convert", at("shards"), at("shards-onnx"), "--to", "onnx", "--precision", "fp16");
    expect(readdirSync(at("shards-onnx")).sort()).toEqual([
      "config.json",
      "generation_config.json",
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
  test.each([
    ["onnx", "onnx", "tessera convert --precision"],
    ["exported", "wasm", "--engine native"],
  ])("refuses weights in int8 of %s on %s", (model, engine, advice) => {
    const { status, stderr } = tessera(
      ...["generate", "--model", at(model), "--engine", engine],
      ...["--weights", "int8", "--prompt", "a"],
    );
    expect([status, stderr]).toEqual([2, expect.stringContaining(advice)]);
  });

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

  test("takes biases of tokens, and refuses what is none", () => {
    const flags = [
      "--model",
      at("onnx"),
      "--prompt",
      "a",
      "--temperature",
      "0",
      "--max-tokens",
      "3",
    ];
    const bias = ["--logit-bias", "88=100", "89=97", "--frequency-penalty", "2"];
    expect(done("generate", ...flags, ...bias)).toBe("aXXY\n");
    const { stderr } = tessera("generate", ...flags, "--logit-bias", "X=1");
    expect(stderr).toMatch(/--logit-bias X=1: must be ID=BIAS/);
  });

  test.each<[string, () => string[], RegExp]>([
    ["no model", () => ["--prompt", "a"], /--model: name the folder/],
    ["no prompt", () => ["--model", at("onnx")], /--prompt, --prompt-file: give one/],
    [
      "a prompt file that is none",
      () => ["--model", at("onnx"), "--prompt-file", "/dev"],
      /\/dev: is a folder/,
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
      /line 2 has no text under "prompt"/,
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

  /** The loss on the golden batch. */
  function evaluate(engine: string, ...more: string[]) {
    const data = at(`golden-${[engine, ...more].join("")}`);
    const writer = createDatasetWriter(data, "u16");
    for (const row of tokens[0]!) {
      writer.append(row);
      writer.endDocument();
    }
    writer.finish();
    const model = ["--model", at(engine === "onnx" ? "onnx" : "exported"), "--engine", engine];
    const windows = ["--context", String(tokens[0]![0]!.length)];
    const told = done("eval", ...model, "--data", data, ...windows, "--json", ...more);
    return JSON.parse(told) as { loss: number; perplexity: number; tokens: number };
  }

  test.each(["onnx", "native"])("has PyTorch's loss on the golden batch: %s", (engine) => {
    const found = evaluate(engine);
    expect(found.tokens).toBe(8 * 32);
    expect(Math.abs(found.loss - golden)).toBeLessThan(1e-5);
    expect(found.perplexity).toBeCloseTo(Math.exp(found.loss), 6);
  });

  test.each(["bf16", "int8"])("is within 1%% of that with weights in %s", (weights) => {
    const found = evaluate("native", "--weights", weights);
    expect(Math.abs(found.perplexity / Math.exp(golden) - 1)).toBeLessThan(0.01);
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
    ["a text that is none", () => ["--text", "/dev/null"], /is a device or a socket/],
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
