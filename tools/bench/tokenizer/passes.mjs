// In a process of its own: `node passes.mjs ENCODER FILE PASSES` times how one encoder loads and how it
// encodes the file, first and then again, and prints that with a checksum of the ids as JSON.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT } from "../../setup.mjs";

const require = createRequire(join(ROOT, "packages/tokenizer/package.json"));

/** @typedef {(text: string) => ArrayLike<number> | Promise<ArrayLike<number>>} Encode */
/** @typedef {{ loadMs: number, first: number, repeated: number, sum: string }} Passes Speeds in MB/s. */
/** @typedef {keyof typeof encoders} EncoderName */

/** GPT-2's vocabulary as Hugging Face's package reads it. */
async function vocabularyFile() {
  const file = join(ROOT, "node_modules/.cache/tessera-gpt2.json");
  if (existsSync(file)) return file;
  const { gpt2Model, writeTokenizerJson } = await import("@tessera/tokenizer");
  mkdirSync(dirname(file), { recursive: true });
  writeTokenizerJson(file, gpt2Model());
  return file;
}

/** Each makes a function from text to ids. */
export const encoders = {
  /** @returns {Promise<Encode>} */
  async tessera() {
    const { gpt2Tokenizer } = await import("@tessera/tokenizer");
    const tokenizer = gpt2Tokenizer();
    return (text) => tokenizer.encode(text);
  },
  /** @returns {Promise<Encode>} */
  async "gpt-tokenizer"() {
    const { encode } = require("gpt-tokenizer/encoding/r50k_base");
    return (text) => encode(text, { disallowedSpecial: new Set() });
  },
  /** @returns {Promise<Encode>} */
  async tiktoken() {
    const encoding = require("tiktoken").get_encoding("gpt2");
    return (text) => encoding.encode_ordinary(text);
  },
  /** @returns {Promise<Encode>} */
  async tokenizers() {
    const { Tokenizer } = require("tokenizers");
    const tokenizer = Tokenizer.fromFile(await vocabularyFile());
    return async (text) => (await tokenizer.encode(text)).getIds();
  },
};

/**
 * @param {EncoderName} name
 * @param {string} path
 * @param {number} passes
 * @returns {Promise<Passes>}
 */
async function measure(name, path, passes) {
  const bytes = readFileSync(path);
  const text = bytes.toString("utf8");
  const began = performance.now();
  const encode = await encoders[name]();
  const loadMs = performance.now() - began;
  const speeds = []; // MB/s
  /** @type {ArrayLike<number>} */
  let ids = [];
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
  const encoder = /** @type {EncoderName} */ (name);
  process.stdout.write(JSON.stringify(await measure(encoder, path, Number(passes))));
}
