import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";
import { crc32c } from "./crc32c.js";
import { openEventFile } from "./index.js";
import { readScalars } from "./read_scalars.js";

const folder = mkdtempSync(join(tmpdir(), "tessera-tensorboard-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("the checksum of the digits is the one of RFC 3720's polynomial", () => {
  expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
});

/** What TensorBoard 2.21's own RecordWriter and protocol buffers make of the events below. */
const EXPECTED = [
  "GAAAAAAAAACjf0siCQAAIED8VNlBGg1icmFpbi5FdmVudDoyKzUxECwAAAAAAAAA9K7MRQkAAFBA/FTZQSohCh8KGGxtLWxvc3",
  "MtdHJhaW5pbmcvbG0gbG9zcxXNzCxBCMivtU4AAAAAAAAAxLkFrQkAAIBA/FTZQRCsAipAChoKE2dyYWQtbm9ybS9ncmFkLW5v",
  "cm0VAAAAPgoiChtsZWFybmluZy1yYXRlL2xlYXJuaW5nLXJhdGUVgqh7OHlJIQ0gAAAAAAAAACntqVAJAADAQPxU2UEQgOSX0B",
  "IqDwoNCgZ0b2tlbnMVAADAv8uQUAU=",
].join("");

test("a file is, byte for byte, what TensorBoard's own writer makes of the same events", () => {
  const times = [1700000000.5, 1700000001.25, 1700000002, 1700000003];
  const file = openEventFile(join(folder, "new", "run"), { now: () => times.shift()! });
  file.writeScalars(0, { "lm-loss-training/lm loss": 10.8 });
  file.writeScalars(300, { "grad-norm/grad-norm": 0.125, "learning-rate/learning-rate": 6e-5 });
  file.writeScalars(5_000_000_000, { tokens: -1.5 });
  file.close();
  expect(file.path).toMatch(/events\.out\.tfevents\.1700000000\./);
  expect(readFileSync(file.path).toString("base64")).toBe(EXPECTED);
});

/** Scalars by tag, as `[step, value]`. */
function seen(run: string): Record<string, [number, number][]> {
  const byTag: Record<string, [number, number][]> = {};
  for (const name of readdirSync(run).sort()) {
    for (const { step, values } of readScalars(join(run, name))) {
      for (const [tag, value] of Object.entries(values)) (byTag[tag] ??= []).push([step, value]);
    }
  }
  return byTag;
}

test("what is written is read back, up to where a file is cut", () => {
  const run = join(folder, "read");
  const file = openEventFile(run);
  for (const step of [0, 1, 5_000_000_000]) file.writeScalars(step, { loss: step / 2, "a b": -1 });
  file.close();
  expect(seen(run)).toEqual({
    loss: [
      [0, 0],
      [1, 0.5],
      [5_000_000_000, 2_500_000_000],
    ],
    "a b": [
      [0, -1],
      [1, -1],
      [5_000_000_000, -1],
    ],
  });
  const whole = readFileSync(file.path);
  for (let bytes = 0; bytes < whole.length; bytes += 1) {
    writeFileSync(file.path, whole.subarray(0, bytes));
    expect(readScalars(file.path).length).toBeLessThan(4);
  }
  for (let at = 0; at < whole.length; at += 1) {
    writeFileSync(
      file.path,
      whole.map((byte, i) => (i === at ? byte ^ 255 : byte)),
    );
    expect(Array.isArray(readScalars(file.path))).toBe(true);
  }
});

test("a run that goes on tells from where, and keeps scalars by other counts", () => {
  const run = join(folder, "resumed");
  let seconds = 1_700_000_000;
  const write = (first: number, last: number): string => {
    const keeps = (tag: string, step: number) => tag.endsWith("vs samples") && step < 4 * first;
    const restart = { step: first, keeps };
    const file = openEventFile(run, { restart, now: () => (seconds += 1) });
    for (let step = first; step <= last; step += 1) {
      file.writeScalars(step, { loss: step });
      file.writeScalars(4 * step, { "loss vs samples": step });
    }
    file.close();
    return file.path;
  };
  expect(readScalars(write(1, 10))).toHaveLength(20);
  const second = write(5, 7);
  // TensorBoard forgets steps from 5 on: samples 8, 12 and 16, of steps 2 to 4, are there again.
  expect(readScalars(second).map(({ step }) => step)).toEqual([8, 12, 16, 5, 20, 6, 24, 7, 28]);
  // An event of step 5 whose session_log has the status START.
  expect(readFileSync(second).includes(Buffer.from([0x10, 5, 0x3a, 2, 8, 1]))).toBe(true);
  const third = readScalars(write(8, 8));
  expect(third.map(({ step }) => step)).toEqual([8, 12, 16, 20, 24, 28, 8, 32]);
});
