// docs/own_layer.md: its layer type-checks, learns, and trains on ranks that share it as on one.

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "@jest/globals";
import { transformSync } from "@swc/core";
import { runThreads } from "@tessera/collectives";

const ROOT = join(__dirname, "../../..");
const FOLDER = join(__dirname, "../dist/own_layer");
const TSC = join(ROOT, "node_modules/@typescript/native/bin/tsc");
const OPTIONS =
  "--ignoreConfig --noEmit --strict --module nodenext --target es2023 --skipLibCheck --types node";

const page = readFileSync(join(ROOT, "docs/own_layer.md"), "utf8");
const source = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block).join("");
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

test("the page's layer is one and the same on ranks that share it", async () => {
  mkdirSync(FOLDER, { recursive: true });
  const typed = join(FOLDER, "lora.mts");
  writeFileSync(typed, source);
  const { stdout } = spawnSync(process.execPath, [TSC, ...OPTIONS.split(" "), typed], {
    encoding: "utf8",
  });
  expect(stdout).toBe("");
  const { code } = transformSync(source, {
    jsc: { parser: { syntax: "typescript" }, target: "es2022" },
    module: { type: "es6" },
  });
  const program = pathToFileURL(join(FOLDER, "lora.mjs"));
  writeFileSync(program, code);
  const [alone] = await runThreads<number[]>({ program, ranks: 1 });
  expect(alone!.at(-1)).toBeLessThan(0.95 * alone![0]!);
  for (const ranks of [2, 4]) {
    for (const losses of await runThreads<number[]>({ program, ranks })) {
      losses.forEach((loss, step) => expect(Math.abs(loss / alone![step]! - 1)).toBeLessThan(1e-5));
    }
  }
}, 60_000);
