// What the READMEs show, type-checks and runs: the first TypeScript block of each.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { transformSync } from "@swc/core";

const ROOT = join(__dirname, "../..");
const TSC = join(ROOT, "node_modules/@typescript/native/bin/tsc");
const OPTIONS =
  "--ignoreConfig --noEmit --strict --module nodenext --target es2023 --skipLibCheck --types node";
const SCRATCH = join(__dirname, "../dist/readmes");

const isPublished = (folder: string): boolean =>
  !("private" in (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as object));

const readmes = [
  join(ROOT, "README.md"),
  ...readdirSync(join(ROOT, "packages"))
    .map((name) => join(ROOT, "packages", name))
    .filter(isPublished)
    .map((folder) => join(folder, "README.md")),
].map((path) => ({ path, name: relative(ROOT, path) }));

beforeAll(() => {
  mkdirSync(SCRATCH, { recursive: true });
});
afterAll(() => rmSync(SCRATCH, { recursive: true }));

test.each(readmes)("$name", ({ path, name }) => {
  expect(existsSync(path)).toBe(true);
  const [, source] = /```ts\n([\s\S]*?)```/.exec(readFileSync(path, "utf8")) ?? [];
  expect(source).toBeDefined();
  const { code } = transformSync(source!, {
    jsc: { parser: { syntax: "typescript" }, target: "es2022" },
    module: { type: "es6" },
  });
  const file = join(SCRATCH, `${name.replaceAll("/", "-")}.mjs`);
  const typed = file.replace(/mjs$/, "mts");
  writeFileSync(file, code);
  writeFileSync(typed, source!);
  const { stdout: complaints } = spawnSync(process.execPath, [TSC, ...OPTIONS.split(" "), typed], {
    encoding: "utf8",
  });
  expect(complaints).toBe("");
  const shown = execFileSync(process.execPath, [file], { cwd: ROOT, encoding: "utf8" });
  expect(shown.trim()).not.toBe("");
});
