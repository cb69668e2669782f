import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";
import { crc32c } from "./crc32c.js";
import { openEventFile } from "./index.js";

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
  const file = openEventFile(join(folder, "new", "run"), () => times.shift()!);
  file.writeScalars(0, { "lm-loss-training/lm loss": 10.8 });
  file.writeScalars(300, { "grad-norm/grad-norm": 0.125, "learning-rate/learning-rate": 6e-5 });
  file.writeScalars(5_000_000_000, { tokens: -1.5 });
  file.close();
  expect(file.path).toMatch(/events\.out\.tfevents\.1700000000\./);
  expect(readFileSync(file.path).toString("base64")).toBe(EXPECTED);
});
