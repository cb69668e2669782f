// Tokenizers: tokenizer.json and what stands beside it, GPT-2's two files, and rank files.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mutate, mutateJson } from "@tessera/testing";
import { openTokenizer } from "@tessera/tokenizer";
import { kindOfCorpus, parseDocument } from "@tessera/files/corpus";
import { readTexts } from "@tessera/data/texts";
import { gzipSync } from "node:zlib";
import type { Target } from "./series.js";

const VARIANTS = join(__dirname, "../../../../../packages/tokenizer/fixtures/variants.json");

type Section = Readonly<Record<string, unknown>>;

const WORDS = [
  ...["ByteLevel", "Split", "Sequence", "Digits", "NFC", "BPE", "Isolated", "Removed", "Regex"],
  ...["(a", "[", "\\p{L}+", "(?i:a)", "\\w", "(?<=a)b", "Ġ", "Ċ", "<|endoftext|>", "\ud800"],
];

const TEXTS = ["the cat's 12 hats", " naïve\n\n  日本 🙂<|endoftext|> <x>", "\ud800 \u0000"];

/** Encodes and decodes. Throws where an id is none of the vocabulary's. */
function useTokenizer(path: string): void {
  const tokenizer = openTokenizer(path);
  for (const text of TEXTS) {
    const ids = tokenizer.encode(text, { special: "allow", addSpecialTokens: true });
    const wrong = ids.find((id) => id < 0 || id >= tokenizer.vocabularySize);
    if (wrong !== undefined) throw new Error(`id ${wrong} of ${tokenizer.vocabularySize}`);
    tokenizer.decode(ids);
  }
}

/** A byte-level vocabulary without merges, so that a file is small, in each of the ways that files have. */
function smallVariants(): readonly Section[] {
  const { base, variants } = JSON.parse(readFileSync(VARIANTS, "utf8")) as {
    readonly base: Section & { readonly model: { readonly merges: readonly unknown[] } & Section };
    readonly variants: readonly { readonly sections: Section }[];
  };
  const model = { ...base.model, merges: base.model.merges.slice(0, 10) };
  return variants.map(({ sections }) => ({ ...base, ...sections, model }));
}

export function tokenizerJson(folder: string): Target {
  const place = join(folder, "tokenizer");
  mkdirSync(place);
  const variants = smallVariants();
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: "<|endoftext|>",
    eos_token: { content: "<|endoftext|>" },
    additional_special_tokens: ["a"],
  };
  return {
    name: "tokenizer.json",
    share: 5,
    read(draw) {
      const { model, ...sections } = variants[Math.floor(variants.length * draw())]!;
      const isConfig = draw() < 0.2;
      // Seldom in the vocabulary, which is most of the file.
      const isWhole = draw() < 0.3;
      const text = mutateOrKeep(isWhole ? { ...sections, model } : sections, draw, !isConfig);
      const file = { ...(isWhole ? {} : { model }), ...(JSON.parse(text) as object) };
      writeFileSync(join(place, "tokenizer.json"), JSON.stringify(file));
      writeFileSync(
        join(place, "tokenizer_config.json"),
        isConfig ? mutateJson(config, draw, WORDS) : JSON.stringify(config),
      );
      useTokenizer(place);
    },
  };
}

/** JSON that is read again: what is no JSON any more stays as it was. */
function mutateOrKeep(value: object, draw: () => number, isTarget: boolean): string {
  const text = isTarget ? mutateJson(value, draw, WORDS) : JSON.stringify(value);
  try {
    const changed: unknown = JSON.parse(text);
    return typeof changed === "object" && changed !== null ? text : JSON.stringify(value);
  } catch {
    return JSON.stringify(value);
  }
}

export function vocabularyFiles(folder: string): Target {
  const place = join(folder, "gpt2-files");
  mkdirSync(place);
  const [{ model }] = smallVariants() as [{ model: { vocab: object; merges: string[][] } }];
  const vocab = Buffer.from(JSON.stringify(model.vocab));
  const merges = Buffer.from(["#version: 0.2", ...model.merges.map((m) => m.join(" "))].join("\n"));
  const ranks = Buffer.from(
    [...Array(256).keys()]
      .map((byte) => `${Buffer.of(byte).toString("base64")} ${byte}`)
      .concat(`${Buffer.from("the").toString("base64")} 256`)
      .join("\n"),
  );
  return {
    name: "vocabulary files",
    share: 24,
    read(draw) {
      const target = Math.floor(3 * draw());
      if (target === 2) {
        writeFileSync(join(folder, "made.tiktoken"), mutate(ranks, draw, { words: WORDS }));
        openTokenizer(join(folder, "made.tiktoken"), { pattern: "llama3" }).encode(TEXTS[0]!);
        return;
      }
      const change = (bytes: Buffer, isTarget: boolean): Buffer =>
        isTarget ? mutate(bytes, draw, { words: WORDS }) : bytes;
      writeFileSync(join(place, "vocab.json"), change(vocab, target === 0));
      writeFileSync(join(place, "merges.txt"), change(merges, target === 1));
      useTokenizer(place);
    },
  };
}

/** Files of text, compressed and not. */
export function corpora(folder: string): Target {
  const lines = Buffer.from('\ufeff{"text": "a\u2028b", "id": 1}\n\n{"text": "cé"}\n');
  const files = {
    "c.jsonl": lines,
    "c.jsonl.gz": gzipSync(lines),
    "c.txt": Buffer.from("text\n日"),
  };
  return {
    name: "corpora",
    share: 6,
    async read(draw) {
      const names = Object.keys(files) as (keyof typeof files)[];
      const name = names[Math.floor(names.length * draw())]!;
      const path = join(folder, name);
      writeFileSync(path, mutate(files[name], draw, { words: ['"text"', "\n", "[", "\ufeff"] }));
      try {
        const { texts } = await readTexts([path]);
        for (const { text } of texts)
          if (kindOfCorpus(path) === "lines") parseDocument(text, ["a"]);
      } finally {
        rmSync(path);
      }
    },
  };
}
