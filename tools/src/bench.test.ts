// The suites of `npm run bench` run, and write what they measured.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";

const SUITES = join(__dirname, "../bench");

test("tokenizer: every part, beside peers with the same ids", () => {
  const folder = mkdtempSync(join(tmpdir(), "tessera-bench-test-"));
  const text = join(folder, "text.txt");
  const json = join(folder, "out.json");
  writeFileSync(
    text,
    "To be, or not to be: that is\nthe question.\n\nWhether 'tis nobler\n".repeat(30),
  );
  const flags = `--text ${text} --rounds 1 --passes 2 --hard-bytes 5000 --megabytes 0.02 --preprocess-megabytes 0.02 --json ${json}`;
  const program = join(folder, "run.mjs");
  const words = JSON.stringify(flags.split(" "));
  writeFileSync(program, `import { run } from "${SUITES}/tokenizer.mjs";\nawait run(${words});\n`);
  const shown = execFileSync(process.execPath, [program], { encoding: "utf8" });
  for (const word of ["gpt-tokenizer", "random bytes", "--workers 2", "tokenizer train"]) {
    expect(shown).toContain(word);
  }
  const { peers, hard, commands } = JSON.parse(readFileSync(json, "utf8")) as {
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
  expect(figures.every((figure) => figure > 0 && Number.isFinite(figure))).toBe(true);
  rmSync(folder, { recursive: true });
}, 60_000);

const native = existsSync(join(__dirname, "../../packages/kernels-native/dist/native"));

(native && availableParallelism() > 1 ? test : test.skip)(
  "pipeline: every schedule, measured beside what it foretells",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "tessera-bench-test-"));
    const json = join(folder, "out.json");
    const program = join(folder, "run.mjs");
    const words = `--micros 4 --layers 2 --width 64 --rows 32 --steps 2 --json ${json}`.split(" ");
    writeFileSync(
      program,
      `import { run } from "${SUITES}/pipeline.mjs";\nawait run(${JSON.stringify(words)});\n`,
    );
    execFileSync(process.execPath, [program], { encoding: "utf8" });
    const results = JSON.parse(readFileSync(json, "utf8")) as {
      kind: string;
      measured: number;
      predicted: number;
    }[];
    expect(results.map(({ kind }) => kind)).toEqual([
      "gpipe",
      "1f1b",
      "interleaved",
      "zero-bubble",
    ]);
    for (const { measured, predicted } of results) {
      expect(measured).toBeGreaterThan(0);
      expect(measured).toBeLessThan(1);
      expect(predicted).toBeGreaterThan(0);
    }
    rmSync(folder, { recursive: true });
  },
  60_000,
);
