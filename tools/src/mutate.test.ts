// What `npm run mutate` plants, on a source and a package of its own.

import { expect, test } from "@jest/globals";
import { runNode, scratchFolder } from "@tessera/testing";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const ROOT = join(__dirname, "../..");
const at = scratchFolder("mutate");

/** The JSON that `script` prints, whose variables are the modules of the command. */
function evaluate(script: string): unknown {
  const of = (name: string) => JSON.stringify(pathToFileURL(join(ROOT, "tools/mutate", name)).href);
  const imports = ["operators", "sample", "scratch", "session", "users"].map(
    (name) => `import * as ${name} from ${of(`${name}.mjs`)};`,
  );
  const words = ["--input-type=module", "-e", `${imports.join("\n")}\n${script}`];
  const { status, stdout, stderr } = runNode(words);
  expect([status, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
}

const SLIPS: readonly (readonly [source: string, mutants: readonly string[]])[] = [
  ["a + b;", ["a - b;"]],
  ["a < b;", ["a <= b;", "a >= b;"]],
  ["a ?? b;", ["(a);", "(b);"]],
  ["a && !b;", ["a || !b;", "a && (b);"]],
  ["x = 3;", ["x = 4;", "x = 2;"]],
  ["x = a ? b : c;", ["x = true ? b : c;", "x = false ? b : c;"]],
  ["if (a) b = c;", ["if (true) b = c;", "if (false) b = c;"]],
  ["call();", [";"]],
  ["x = [...a];", ["x = [...[]];"]],
  ["x = a.filter(f);", ["x = a;"]],
  ["x = Math.min(a, b);", ["x = Math.max(a, b);"]],
  ["function f() { return a; }", ["function f() {}"]],
  ['type A = 1 | "b";', []],
  ['import { a } from "b";', []],
  ["x = `${a}` + b;", []],
  [
    "if (a) throw new RangeError(`${b + 1}`);",
    ["if (true) throw new RangeError(`${b + 1}`);", "if (false) throw new RangeError(`${b + 1}`);"],
  ],
];

test("each operator is replaced as a slip of the hand would, and types and messages are left alone", () => {
  const made = evaluate(
    `const sources = ${JSON.stringify(SLIPS.map(([source]) => source))};
     const mutantsOf = (source) => operators.mutantsOf(source).map((one) => operators.apply(source, one));
     console.log(JSON.stringify(sources.map((source) => [source, mutantsOf(source)])));`,
  );
  expect(made).toEqual(SLIPS);
});

const SOURCE = `export const isLarge = (x: number): boolean => x > 5;
export const isNone = (x: number): boolean => x === 7 - 7;
`;
const TEST = `import { expect, test } from "@jest/globals";
import { isLarge } from "./size.js";
test("sizes", () => expect([4, 5, 6].map(isLarge)).toEqual([false, false, true]));
`;

/** A workspace of one package, one of whose functions is tested. */
function plantWorkspace(): void {
  const files = {
    "package.json": "{}",
    "packages/mesh/package.json": '{ "type": "module" }',
    "packages/mesh/src/size.ts": SOURCE,
    "packages/mesh/src/size.test.ts": TEST,
    "packages/mesh/dist/size.js": "export const old = 0;\n",
    "packages/layers/src/layers.test.ts": 'test("nothing", () => undefined);\n',
    "packages/trainer/src/parallelize.test.ts": 'test("nothing", () => undefined);\n',
  };
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(at("workspace"), path, ".."), { recursive: true });
    writeFileSync(join(at("workspace"), path), content);
  }
  for (const name of ["jest.config.mjs", "tools"]) {
    symlinkSync(join(ROOT, name), join(at("workspace"), name));
  }
  mkdirSync(join(at("workspace"), "node_modules/@tessera"), { recursive: true });
  for (const name of readdirSync(join(ROOT, "node_modules"))) {
    if (name === "@tessera") continue;
    symlinkSync(join(ROOT, "node_modules", name), join(at("workspace"), "node_modules", name));
  }
}

test("a fault that a test finds is killed, another survives, and the tree stays as it was", () => {
  plantWorkspace();
  mkdirSync(at("tmp"));
  const judged = evaluate(
    `process.env.TMPDIR = ${JSON.stringify(at("tmp"))};
     const root = ${JSON.stringify(at("workspace"))};
     const { mutants } = sample.sampleMutants(root, "mesh", { count: 100, seed: 1 });
     const tried = mutants.filter(({ now }) => / x (>=|!==) /.test(now));
     const judged = [];
     await session.tryAll(root, tried, { workers: 2, report: ({ now }, by) => judged.push([now, by]) });
     console.log(JSON.stringify(judged));`,
  ) as [string, string | null][];
  expect(new Map(judged)).toEqual(
    new Map([
      ["export const isLarge = (x: number): boolean => x >= 5;", "packages/mesh/src/size.test.ts"],
      ["export const isNone = (x: number): boolean => x !== 7 - 7;", null],
    ]),
  );
  const source = readFileSync(join(at("workspace"), "packages/mesh/src/size.ts"), "utf8");
  expect(source).toBe(SOURCE);
  expect(readdirSync(at("tmp"))).toEqual([]);
});

test("the same seed takes the same mutants of all that there are", () => {
  const sampled = evaluate(
    `const sampled = (seed) => sample.sampleMutants(${JSON.stringify(ROOT)}, "mesh", { count: 10, seed });
     console.log(JSON.stringify([sampled(1), sampled(1), sampled(2)]));`,
  ) as { of: number; mutants: { file: string }[] }[];
  expect(sampled[0]).toEqual(sampled[1]);
  expect(sampled[0]).not.toEqual(sampled[2]);
  expect(sampled[0]!.mutants).toHaveLength(10);
  expect(sampled[0]!.of).toBeGreaterThan(10);
  for (const { file } of sampled[0]!.mutants)
    expect(file).toMatch(/^packages\/mesh\/src\/\w+\.ts$/);
});

test("every survivor that is explained is a mutant that there is", () => {
  const gone = evaluate(
    `import { readFileSync } from "node:fs";
     const read = (path) => readFileSync(${JSON.stringify(`${ROOT}/`)} + path, "utf8");
     const isThere = ({ file, was, now }) =>
       operators.mutantsOf(read(file)).some((one) => one.was === was && one.now === now);
     const survivors = JSON.parse(read("tools/mutate/survivors.json"));
     console.log(JSON.stringify(survivors.filter((one) => !isThere(one))));`,
  );
  expect(gone).toEqual([]);
});

test("every test that judges mutants of another package is there", () => {
  const named = evaluate(`console.log(JSON.stringify(Object.values(users.USERS).flat()));`) as {
    project: string;
    files: string[];
  }[];
  const paths = named.flatMap(({ project, files }) =>
    files.map((file) => join(ROOT, project, "src", `${file}.ts`)),
  );
  expect(paths.filter((path) => !existsSync(path))).toEqual([]);
});
