// The first TypeScript block of each README type-checks, runs, and prints what it claims.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { transformSync } from "@swc/core";
import { runNode } from "@tessera/testing";
import { published, ROOT, typeCheck } from "./packed.js";
import { printedFor, snippetOf } from "./snippets.js";

/** Below node_modules of the workspace, which the snippets import from. */
const SCRATCH = join(__dirname, "../dist/readmes");

const readmes = [
  join(ROOT, "README.md"),
  ...published
    .filter(({ manifest }) => manifest.exports !== undefined)
    .map(({ folder }) => join(folder, "README.md")),
].map((path) => {
  const [, source = ""] = existsSync(path)
    ? (/```ts\n([\s\S]*?)```/.exec(readFileSync(path, "utf8")) ?? [])
    : [];
  const name = relative(ROOT, path);
  return { name, file: join(SCRATCH, name.replaceAll("/", "-")), source };
});

beforeAll(() => {
  mkdirSync(SCRATCH, { recursive: true });
});
afterAll(() => rmSync(SCRATCH, { recursive: true }));

const run = (file: string, source: string) => {
  const { code } = transformSync(source, {
    jsc: { parser: { syntax: "typescript" }, target: "es2022" },
    module: { type: "es6" },
  });
  writeFileSync(`${file}.mjs`, code);
  // In no colours, which a terminal or Nx may ask for.
  const env = { ...process.env, FORCE_COLOR: "0", NO_COLOR: "1" };
  return runNode([`${file}.mjs`], { cwd: ROOT, env });
};

test("all of them type-check", () => {
  for (const { file, source } of readmes) writeFileSync(`${file}.mts`, source);
  typeCheck(
    ROOT,
    readmes.map(({ file }) => `${file}.mts`),
  );
});

test.each(readmes)("$name", ({ file, source }) => {
  expect(source).not.toBe("");
  const snippet = snippetOf(source);
  expect(snippet.loose).toEqual([]);
  const { status, stdout, stderr } = run(file, snippet.marked);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(stdout.trim()).not.toBe("");
  expect(printedFor(stdout, snippet)).toEqual(snippet.claims);
});

test("a claim is compared with what is printed, each time that it is", () => {
  const source = `
    for (const n of [1, 2]) console.log(n); // prints: 1
    console.log([
      "a",
    ], 2 + 2); // prints: [ 'a' ] 5
    console.log("right"); // prints: right
    if (process.pid === 0) console.log("never"); // prints: never
    const text = "nothing of the kind // prints: 3"; // a remark
    console.log(text);
  `;
  const snippet = snippetOf(source);
  expect(snippet.claims).toEqual(["1", "[ 'a' ] 5", "right", "never"]);
  expect(snippet.loose).toEqual([]);
  const { stdout } = run(join(SCRATCH, "claims"), snippet.marked);
  expect(printedFor(stdout, snippet)).toEqual(["1 and then 2", "[ 'a' ] 4", "right", ""]);
});

test("a value that nobody would compare is refused", () => {
  const loose = (source: string) => snippetOf(source).loose;
  expect(loose("console.log(1 + 1); // 3")).toEqual(["3"]);
  expect(loose("console.log(1 + 1); // a sum")).toEqual(["a sum"]);
  expect(loose("const a = f(); // [1, 2]")).toEqual(["[1, 2]"]);
  expect(loose("const a = f(); // Int32Array [1, 2]")).toEqual(["Int32Array [1, 2]"]);
  expect(loose("const a = f(); // prints: 3")).toEqual(["prints: 3"]);
  expect(loose("console.log(\n  // prints: 3\n  4,\n);")).toEqual(["prints: 3"]);
  expect(loose("const a = {\n  b: f(), // 3\n  c: 4,\n};")).toEqual(["3"]);
  expect(loose("// prints: 3\nconst a = f();")).toEqual(["prints: 3"]);
  expect(loose("const a = f(); // one process, unless a launcher started several")).toEqual([]);
});
