// Metrics for people and for programs.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import {
  consoleReporter,
  jsonLines,
  silent,
  tensorBoard,
  withSinks,
  type Metrics,
} from "../report.js";

test("metrics are JSON lines; elsewhere than on a terminal the console has plain lines", () => {
  const folder = mkdtempSync(join(tmpdir(), "tessera-trainer-"));
  const stream = new PassThrough();
  const metricsFile = join(folder, "metrics.jsonl");
  const console = consoleReporter({
    stream: stream as unknown as NodeJS.WriteStream,
    steps: 10,
    startStep: 0,
  });
  const reporter = withSinks(console, [jsonLines(metricsFile), tensorBoard(folder)]);
  reporter.metrics(
    { step: 5, loss: 1.23456 },
    { consumedSamples: 20, globalBatch: 4, elapsed: null },
  );
  reporter.end();
  expect(readFileSync(metricsFile, "utf8")).toBe('{"step":5,"loss":1.23456}\n');
  expect(String(stream.read())).toMatch(/^step 5\/10 {2}loss 1\.235, \d+ s left\n$/);
  expect(readdirSync(folder).filter((name) => name.includes("tfevents"))).toHaveLength(1);
  rmSync(folder, { recursive: true });
});

test("a full disk under metrics ends no run: it is told once, and nothing is left half written", () => {
  const notes: string[] = [];
  const full = (): never => {
    throw new UserError("metrics.jsonl: cannot be written (the disk is full); check the folder");
  };
  let isFull = true;
  const written: Metrics[] = [];
  const sink = {
    write(metrics: Metrics) {
      if (isFull) full();
      written.push(metrics);
    },
  };
  const reporter = withSinks({ ...silent, note: (text) => void notes.push(text) }, [sink]);
  const context = { consumedSamples: 1, globalBatch: 1, elapsed: null };
  for (const step of [1, 2]) reporter.metrics({ step }, context);
  expect(notes).toEqual([expect.stringMatching(/^metrics\.jsonl: .*; training goes on without/)]);
  isFull = false;
  reporter.metrics({ step: 3 }, context);
  expect(written).toEqual([{ step: 3 }]);
});

test("of the lines of a run before, those of steps that are taken again go", () => {
  const folder = mkdtempSync(join(tmpdir(), "tessera-lines-"));
  const file = join(folder, "metrics.jsonl");
  const lines = [1, 2, 3, 4].map((step) => JSON.stringify({ step, loss: step }));
  writeFileSync(file, `${lines.join("\n")}\n{"step": 5, "lo`); // killed in a write
  const context = { consumedSamples: 1, globalBatch: 1, elapsed: null };
  jsonLines(file, 2).write({ step: 3, loss: 9 }, context);
  expect(readFileSync(file, "utf8")).toBe(`${lines[0]}\n${lines[1]}\n{"step":3,"loss":9}\n`);
  jsonLines(file, 0);
  expect(readFileSync(file, "utf8")).toBe("");
  rmSync(folder, { recursive: true });
});
