// `npm run bench -- tokenizer [--text FILE]`: GPT-2's tokenizer against others, on one thread. Each
// stands in a process of its own, which times the first pass and then repeated ones.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT, stop } from "../setup.mjs";

const require = createRequire(join(ROOT, "packages/tokenizer/package.json"));
const PASSES = 12;
const PROCESSES = 3;

/** Each makes a function from text to ids. */
const encoders = {
  async tessera() {
    const { gpt2Tokenizer } = await import(join(ROOT, "packages/tokenizer/dist/index.js"));
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
    const tessera = await import(join(ROOT, "packages/tokenizer/dist/index.js"));
    const file = join(ROOT, "node_modules/.cache/tessera-gpt2.json");
    if (!existsSync(file)) {
      const { mkdirSync } = await import("node:fs");
      mkdirSync(join(ROOT, "node_modules/.cache"), { recursive: true });
      tessera.writeTokenizerJson(file, tessera.gpt2Model());
    }
    const tokenizer = Tokenizer.fromFile(file);
    return async (text) => (await tokenizer.encode(text)).getIds();
  },
};

/** In a process of its own: megabytes per second of each pass, and a checksum of the ids. */
async function measure(name, path) {
  const bytes = readFileSync(path);
  const text = bytes.toString("utf8");
  const encode = await encoders[name]();
  const speeds = [];
  let ids;
  for (let pass = 0; pass < (name === "tokenizers" ? 4 : PASSES); pass += 1) {
    const start = performance.now();
    ids = await encode(text);
    speeds.push(bytes.length / 1e3 / (performance.now() - start));
  }
  const sum = createHash("md5").update(Int32Array.from(ids)).digest("hex");
  process.stdout.write(JSON.stringify({ speeds, sum }));
}

/** Texts that make some tokenizers slow: one megabyte each. */
function hardTexts() {
  const random = Buffer.alloc(1e6);
  let state = 1;
  for (let i = 0; i < random.length; i += 1) {
    state = (Math.imul(state, 1103515245) + 12345) | 0;
    random[i] = state >>> 16;
  }
  return {
    "one letter": Buffer.alloc(1e6, "a"),
    spaces: Buffer.alloc(1e6, " "),
    emoji: Buffer.alloc(1e6, "\u{1f642}"),
    "random bytes": random,
    "random letters": Buffer.from(random.map((byte) => 97 + (byte % 26))),
  };
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const shown = (speed) => `${speed.toFixed(1).padStart(8)} MB/s`;

function compare(path) {
  const results = Object.keys(encoders).map((name) => {
    const runs = Array.from({ length: PROCESSES }, () => {
      const args = [fileURLToPath(import.meta.url), name, path];
      return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
    });
    const first = median(runs.map(({ speeds }) => speeds[0]));
    const repeated = median(runs.flatMap(({ speeds }) => speeds.slice(speeds.length >> 1)));
    process.stdout.write(
      `${name.padEnd(14)} first ${shown(first)}   repeated ${shown(repeated)}\n`,
    );
    return { name, first, repeated, sum: runs[0].sum };
  });
  const [own, ...others] = results;
  const differing = others.filter(({ sum }) => sum !== own.sum).map(({ name }) => name);
  const ratio = (key) => (own[key] / Math.max(...others.map((other) => other[key]))).toFixed(2);
  process.stdout.write(
    `tessera against the fastest other: first pass ${ratio("first")} times, repeated ` +
      `${ratio("repeated")} times; ids ${differing.length === 0 ? "equal" : `differ from ${differing}`}\n`,
  );
  if (differing.length > 0) process.exitCode = 1;
}

async function hard() {
  const { gpt2Tokenizer } = await import(join(ROOT, "packages/tokenizer/dist/index.js"));
  const tokenizer = gpt2Tokenizer();
  for (const [name, bytes] of Object.entries(hardTexts())) {
    const start = performance.now();
    tokenizer.encodeBytes(bytes);
    const speed = bytes.length / 1e3 / (performance.now() - start);
    process.stdout.write(`1 MB of ${name.padEnd(16)} ${shown(speed)}\n`);
  }
}

export async function run(argv) {
  const at = argv.indexOf("--text");
  const path = at < 0 ? join(ROOT, "corpus/shakespeare.txt") : argv[at + 1];
  if (!existsSync(path ?? ""))
    stop(`${path}: there is no such text; npm run corpus, or --text FILE`);
  compare(path);
  await hard();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await measure(...process.argv.slice(2));
