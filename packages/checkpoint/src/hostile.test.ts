// Files with bytes changed, cut off, or put in twice: each is read as a model, or refused in a sentence.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { gpt } from "@tessera/gpt";
import { leaves, type ParamSpec } from "@tessera/layers";
import { streamKey, uniformAt } from "@tessera/random";
import { openModel } from "./index.js";

const LLAMA = join(__dirname, "../../../fixtures/hugging-face/llama");
const FILES = 10_000;
const key = streamKey(1, "mutations");

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-hostile-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Bytes that parsers of lengths and of JSON trip over, beside any other. */
const SPECIAL = [0x00, 0xff, 0x7f, 0x2d, 0x22, 0x5b, 0x7b, 0x7d, 0x39, 0x2e, 0x65];

/** Mutation number `n` of `bytes`; most fall on the first `head` bytes, where a file says what it holds. */
function mutated(bytes: Buffer, n: number, head: number): Buffer {
  let draws = 0;
  const below = (limit: number): number => Math.floor(limit * uniformAt(key, 64 * n + draws++));
  let changed = Buffer.from(bytes);
  for (let times = 1 + below(4); times > 0; times -= 1) {
    const at = below(below(4) > 0 ? Math.min(head, changed.length) : changed.length);
    switch (below(4)) {
      case 0:
        changed[at] = SPECIAL[below(SPECIAL.length)]!;
        break;
      case 1:
        changed[at]! ^= 1 << below(8);
        break;
      case 2:
        changed = changed.subarray(0, Math.max(1, at));
        break;
      default: {
        const piece = changed.subarray(at, at + 1 + below(40));
        changed = Buffer.concat([changed.subarray(0, at), piece, changed.subarray(at)]);
      }
    }
  }
  return changed;
}

test(`of ${FILES} mutated models none crashes, and most are refused in a sentence`, () => {
  const [config, weights] = ["config.json", "model.safetensors"].map((name) =>
    readFileSync(join(LLAMA, name)),
  ) as [Buffer, Buffer];
  const header = 8 + Number(weights.readBigUInt64LE());
  let refused = 0;
  for (let n = 0; n < FILES; n += 1) {
    const isConfig = n % 2 === 0;
    const target = isConfig ? config : weights;
    writeFileSync(
      join(folder, "config.json"),
      isConfig ? mutated(target, n, target.length) : config,
    );
    writeFileSync(
      join(folder, "model.safetensors"),
      isConfig ? weights : mutated(target, n, header),
    );
    try {
      const model = openModel(folder);
      for (const [path, { shape }] of leaves<ParamSpec>(gpt(model.config).spec)) {
        expect(model.valuesAt(path)).toHaveLength(shape.reduce((a, b) => a * b, 1));
      }
      model.close();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      expect(error.message).not.toContain("\n");
      refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(FILES / 2);
}, 120_000);
