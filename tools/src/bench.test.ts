// The suites of `npm run bench` explain themselves, run, and write what they measured.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";

const SUITES = join(__dirname, "../bench");
const folder = mkdtempSync(join(tmpdir(), "tessera-bench-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What a suite shows. Not by `npm run bench`, which would set up first. */
function show(suite: string, words: readonly string[]): string {
  const program = join(folder, "run.mjs");
  const call = `await run(${JSON.stringify(words)});`;
  writeFileSync(program, `import { run } from "${SUITES}/${suite}.mjs";\n${call}\n`);
  return execFileSync(process.execPath, [program], { encoding: "utf8" });
}

/** Runs a suite: what it shows, and the JSON that it writes. */
function measure(suite: string, flags: string): { shown: string; json: string } {
  const file = join(folder, "out.json");
  const shown = show(suite, [...flags.split(" "), "--json", file]);
  return { shown, json: readFileSync(file, "utf8") };
}

const isFigure = (figure: number) => figure > 0 && Number.isFinite(figure);

const suites = readdirSync(SUITES)
  .filter((name) => name.endsWith(".mjs"))
  .map((name) => name.slice(0, -".mjs".length));

test.each(suites)("%s says what it measures and how", (suite) => {
  expect(show(suite, ["--help"])).toMatch(
    new RegExp(`^Usage: bench( ${suite})? \\[flags\\]\n\n\\w[^]*\\.\n\nCases:\n`),
  );
});

test("tokenizer: every part, beside peers with the same ids", () => {
  const text = join(folder, "text.txt");
  writeFileSync(
    text,
    "To be, or not to be: that is\nthe question.\n\nWhether 'tis nobler\n".repeat(30),
  );
  const { shown, json } = measure(
    "tokenizer",
    `--text ${text} --rounds 1 --passes 2 --hard-bytes 5000 --megabytes 0.02 --preprocess-megabytes 0.02`,
  );
  for (const word of ["gpt-tokenizer", "random bytes", "--workers 2", "tokenizer train"]) {
    expect(shown).toContain(word);
  }
  const { peers, hard, commands } = JSON.parse(json) as {
    peers: { first: number; repeated: number; equal: boolean }[];
    hard: { speed: number }[];
    commands: { preprocess: { speed: number }[]; training: { seconds: number } };
  };
  expect(peers.map(({ equal }) => equal)).toEqual([true, true, true, true]);
  const figures = [
    ...peers.flatMap(({ first, repeated }) => [first, repeated]),
    ...[...hard, ...commands.preprocess].map(({ speed }) => speed),
    commands.training.seconds,
  ];
  expect(figures.every(isFigure)).toBe(true);
});

test("serve: clients get complete answers", () => {
  const { shown, json } = measure("serve", "--model tiny --clients 3 --seconds 1 --tokens 4");
  const { answers, errors, firstMs, memoryMb } = JSON.parse(json) as {
    answers: number;
    errors: number;
    firstMs: number[];
    memoryMb: number[];
  };
  expect(shown).toContain(`${answers} answers, 0 errors`);
  expect(errors).toBe(0);
  expect([answers, ...firstMs, ...memoryMb].every(isFigure)).toBe(true);
});

const native = existsSync(join(__dirname, "../../packages/kernels-native/dist/native"));

(native ? test : test.skip)("checkpoint: saving, beside plain writing", () => {
  const { json } = measure("checkpoint", "--case gpt-30M --rounds 1");
  const [{ bytes, ofDisk, pauseOfWaited }] = JSON.parse(json) as [
    { bytes: number; ofDisk: number; pauseOfWaited: number },
  ];
  const parameters = 30_357_504;
  expect(bytes).toBe(4 * 3 * parameters); // with Adam's two moments
  expect([ofDisk, pauseOfWaited].every(isFigure)).toBe(true);
});

(native && availableParallelism() > 1 ? test : test.skip)(
  "pipeline: every schedule, measured beside what it foretells",
  () => {
    const { json } = measure("pipeline", "--micros 4 --layers 2 --width 64 --rows 32 --steps 2");
    const result = JSON.parse(json) as { kind: string; measured: number; predicted: number }[];
    expect(result.map(({ kind }) => kind)).toEqual(["gpipe", "1f1b", "interleaved", "zero-bubble"]);
    for (const { measured, predicted } of result) {
      expect(measured).toBeGreaterThan(0);
      expect(measured).toBeLessThan(1);
      expect(predicted).toBeGreaterThan(0);
    }
  },
);
