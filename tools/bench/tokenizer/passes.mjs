// In a process of its own: `node passes.mjs ENCODER FILE PASSES` times how one encoder loads and how it
// encodes the file, first and then again, and prints that with a checksum of the ids as JSON.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT } from "../../setup.mjs";

const require = createRequire(join(ROOT, "packages/tokenizer/package.json"));
const tessera = () => import(join(ROOT, "packages/tokenizer/dist/index.js"));

/** GPT-2's vocabulary as Hugging Face's package reads it. */
async function vocabularyFile() {
  const file = join(ROOT, "node_modules/.cache/tessera-gpt2.json");
  if (existsSync(file)) return file;
  const { gpt2Model, writeTokenizerJson } = await tessera();
  mkdirSync(dirname(file), { recursive: true });
  writeTokenizerJson(file, gpt2Model());
  return file;
}

/** Each makes a function from text to ids. */
export const encoders = {
  async tessera() {
    const { gpt2Tokenizer } = await tessera();
    const tokenizer = gpt2Tokenizer();
    return (text) => tokenizer.encode(text);
  },
  async "gpt-tokenizer"() {
    const { encode } = require("gpt-tokenizer/encoding/r50k_base");
    return (text) => encode(text, { disallowedSpecial: new Set() });
  },
  async tiktoken() {
    const encoding = require("tiktoken").get_encoding("gpt2");
    return (text) => encoding.encode_ordinary(text);
  },
  async tokenizers() {
    const { Tokenizer } = require("tokenizers");
    const tokenizer = Tokenizer.fromFile(await vocabularyFile());
    return async (text) => (await tokenizer.encode(text)).getIds();
  },
};

async function measure(name, path, passes) {
  const bytes = readFileSync(path);
  const text = bytes.toString("utf8");
  const began = performance.now();
  const encode = await encoders[name]();
  const loadMs = performance.now() - began;
  const speeds = []; // MB/s
  let ids;
  for (let pass = 0; pass < passes; pass += 1) {
    const start = performance.now();
    ids = await encode(text);
    speeds.push(bytes.length / 1e3 / (performance.now() - start));
  }
  const sum = createHash("md5").update(Int32Array.from(ids)).digest("hex");
  return { loadMs, first: speeds[0], repeated: Math.max(...speeds.slice(1)), sum };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [name, path, passes] = process.argv.slice(2);
  process.stdout.write(JSON.stringify(await measure(name, path, Number(passes))));
}
