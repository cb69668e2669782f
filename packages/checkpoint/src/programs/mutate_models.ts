// Models whose files have bytes changed, cut off, or put in twice.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@tessera/config";
import { gpt } from "@tessera/gpt";
import { leaves, type ParamSpec } from "@tessera/params";
import { mutate, seededRandom } from "@tessera/testing";
import { openModel } from "../index.js";

const LLAMA = join(__dirname, "../../../../fixtures/hugging-face/llama");

/**
 * Opens `count` mutated models in `folder`. Throws where one neither is read to its end nor is refused in a
 * sentence. Returns how many were refused.
 */
export function openMutatedModels(folder: string, count: number, seed: number): number {
  const draw = seededRandom(seed);
  const files = ["config.json", "model.safetensors"] as const;
  const whole = files.map((name) => readFileSync(join(LLAMA, name)));
  const heads = [whole[0]!.length, 8 + Number(whole[1]!.readBigUInt64LE())];
  let refused = 0;
  for (let n = 0; n < count; n += 1) {
    files.forEach((name, i) => {
      const bytes = whole[i]!;
      const isTarget = n % files.length === i;
      writeFileSync(
        join(folder, name),
        isTarget ? mutate(bytes, draw, { head: heads[i]! }) : bytes,
      );
    });
    try {
      readToEnd(folder);
    } catch (error) {
      if (!(error instanceof UserError) || error.message.includes("\n")) throw error;
      refused += 1;
    }
  }
  return refused;
}

function readToEnd(folder: string): void {
  const model = openModel(folder);
  for (const [path, { shape }] of leaves<ParamSpec>(gpt(model.config).spec)) {
    const { length } = model.valuesAt(path);
    const size = shape.reduce((a, b) => a * b, 1);
    if (length !== size) throw new Error(`${path}: has ${length} elements, its shape ${size}`);
  }
  model.close();
}
