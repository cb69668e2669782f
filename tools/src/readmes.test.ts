// The first TypeScript block of each README, and every one of a page of docs/, type-checks, runs, and prints what it
// claims.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

/** The programs of pages, numbered on each. */
const onPages = readdirSync(join(ROOT, "docs"))
  .filter((name) => name.endsWith(".md"))
  .flatMap((name) => {
    const page = readFileSync(join(ROOT, "docs", name), "utf8");
    return [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, source], index) => ({
      name: `docs/${name}, program ${index + 1}`,
      file: join(SCRATCH, `docs-${name}-${index + 1}`),
      source: source!,
    }));
  });

beforeAll(() => {
  mkdirSync(SCRATCH, { recursive: true });
});
afterAll(() => rmSync(SCRATCH, { recursive: true }));

const write = (file: string, source: string): void => {
  const { code } = transformSync(source, {
    jsc: { parser: { syntax: "typescript" }, target: "es2022" },
    module: { type: "es6" },
  });
  writeFileSync(`${file}.mjs`, code);
};

const run = (file: string, source: string) => {
  write(file, source);
  // In no colours, which a terminal or Nx may ask for.
  const env = { ...process.env, FORCE_COLOR: "0", NO_COLOR: "1" };
  return runNode([`${file}.mjs`], { cwd: ROOT, env });
};

test("all of them type-check", () => {
  const programs = [...readmes, ...onPages];
  for (const { file, source } of programs) writeFileSync(`${file}.mts`, source);
  typeCheck(
    ROOT,
    programs.map(({ file }) => `${file}.mts`),
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

test("the programs of pages run, one after the other, and print what they claim", () => {
  // In one process, since most of the time is that of loading tfjs.
  const NEXT = "\u0003";
  const snippets = onPages.map(({ source }) => snippetOf(source));
  onPages.forEach(({ file }, index) => {
    write(file, snippets[index]!.marked);
  });
  const lines = onPages.map(
    ({ file }) =>
      `process.stdout.write("${NEXT}"); await import(${JSON.stringify(`${file}.mjs`)});`,
  );
  const { status, stdout, stderr } = run(join(SCRATCH, "pages"), lines.join("\n"));
  if (status !== 0) throw new Error(stderr);
  const outputs = stdout.split(NEXT).slice(1);
  const found = onPages.map(({ name }, index) => {
    const snippet = snippets[index]!;
    return { name, loose: snippet.loose, printed: printedFor(outputs[index] ?? "", snippet) };
  });
  const claimed = onPages.map(({ name }, index) => ({
    name,
    loose: [],
    printed: snippets[index]!.claims,
  }));
  expect(found).toEqual(claimed);
  expect(claimed.filter(({ printed }) => printed.length === 0)).toEqual([]);
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
