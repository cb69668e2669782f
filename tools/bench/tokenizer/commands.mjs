// The commands that take a corpus: preprocessing by one thread and by two, and training a vocabulary.

import { spawnSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../setup.mjs";

/**
 * Runs a command of the tool. Returns how long it took, and its last line.
 * @param {string[]} args
 */
function run(...args) {
  const start = performance.now();
  const main = join(ROOT, "apps/tessera/dist/main.js");
  const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return {
    seconds: (performance.now() - start) / 1000,
    lastLine: stderr.trim().split("\n").at(-1),
  };
}

/**
 * Writes `part` again and again until the file has `bytes`. Returns its size.
 * @param {string} path
 * @param {Buffer} part
 * @param {number} bytes
 */
function repeat(path, part, bytes) {
  const file = openSync(path, "w");
  for (let written = 0; written < bytes; written += part.length) writeSync(file, part);
  closeSync(file);
  return statSync(path).size;
}

/**
 * A text's paragraphs as JSON lines.
 * @param {string} text
 */
const linesOf = (text) =>
  Buffer.from(
    text
      .split("\n\n")
      .map((paragraph) => `${JSON.stringify({ text: `${paragraph}\n` })}\n`)
      .join(""),
  );

/**
 * On the text in `path`, repeated until it has as many megabytes as asked for.
 * @param {string} path
 * @param {{ megabytes: number, "preprocess-megabytes": number, rounds: number }} flags
 */
export function measureCommands(path, { megabytes, "preprocess-megabytes": ofLines, rounds }) {
  const folder = mkdtempSync(join(tmpdir(), "tessera-bench-"));
  try {
    const text = readFileSync(path);
    const plain = join(folder, "text.txt");
    const lines = join(folder, "lines.jsonl");
    const plainBytes = repeat(plain, text, 1e6 * megabytes);
    const lineBytes = repeat(lines, linesOf(text.toString("utf8")), 1e6 * ofLines);
    const workers = [1, 2].map((count) => ({ count, seconds: Infinity }));
    for (let round = 0; round < rounds; round += 1) {
      for (const one of workers) {
        const flags = `--append-eod --workers ${one.count} --output-prefix ${join(folder, "set")}`;
        const took = run("preprocess", "--input", lines, ...flags.split(" "));
        one.seconds = Math.min(one.seconds, took.seconds);
      }
    }
    const output = join(folder, "tokenizer.json");
    const size = String(32_000 + 257);
    const training = run("tokenizer", "train", plain, "--vocab-size", size, "--output", output);
    return {
      preprocess: workers.map(({ count, seconds: took }) => ({
        workers: count,
        speed: lineBytes / 1e6 / took,
      })),
      training: { megabytes: plainBytes / 1e6, ...training },
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
