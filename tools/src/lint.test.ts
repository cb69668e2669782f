// What `npm run lint` finds in a package that breaks the rules about files and packages.

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import { runNode, scratchFolder } from "@tessera/testing";

const ROOT = join(__dirname, "../..");
const ESLINT = join(ROOT, "node_modules/eslint/bin/eslint.js");
const scratch = scratchFolder("lint");
const workspace = scratch("workspace");

const names = (count: number) => Array.from({ length: count }, (_, i) => `name${i}`);
const declared = (count: number) =>
  names(count).map((name) => `/** One. */\nexport const ${name} = 1;\n`);
const lines = (count: number) => "int x;\n".repeat(count);

/** By path in the workspace. */
const FILES: Readonly<Record<string, string>> = {
  "packages/planted/package.json": JSON.stringify({
    name: "@planted/planted",
    type: "module",
    exports: {
      ".": { types: "./dist/index.d.ts", default: "./dist/index.js" },
      "./wide": { types: "./dist/wide.d.ts", default: "./dist/wide.js" },
    },
  }),
  "packages/planted/tsconfig.json": JSON.stringify({
    extends: join(ROOT, "tsconfig.base.json"),
    compilerOptions: { rootDir: "src", outDir: "dist", types: [] },
    include: ["src"],
  }),
  "packages/planted/src/many.ts": declared(40).join(""),
  "packages/planted/src/index.ts": `export * from "./many.js";\n`,
  "packages/planted/src/wide.ts": `export * from "./many.js";\n/** @throws Error never. */\nexport type More = 1;\n`,
  "packages/planted/src/first.ts": `import type { Second } from "./second.js";\n\nexport type First = Second[];\n`,
  "packages/planted/src/second.ts": `export { third as second } from "./third.js";\n\nexport type Second = 2;\n`,
  "packages/planted/src/third.ts": `import type { First } from "./first.js";\n\nexport const third: First = [];\n`,
  "packages/planted/src/outside.ts": `export type { First } from "./first.js";\n`,
  "packages/planted/native/long.cc": lines(301),
  "packages/planted/native/longest.h": lines(300),
};

interface Finding {
  readonly filePath: string;
  readonly messages: readonly { readonly ruleId: string | null; readonly message: string }[];
}
let found: readonly (readonly [file: string, rule: string | null, message: string])[];

beforeAll(() => {
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(join(workspace, dirname(path)), { recursive: true });
    writeFileSync(join(workspace, path), text);
  }
  symlinkSync(join(ROOT, "node_modules"), join(workspace, "node_modules"));
  const config = ["--config", join(ROOT, "eslint.config.mjs")];
  // Nx knows no projects here.
  const words = [ESLINT, ...config, "--rule", "@nx/enforce-module-boundaries: off"];
  const { stdout, stderr } = runNode([...words, "--format", "json", "."], { cwd: workspace });
  if (stdout === "") throw new Error(stderr);
  found = (JSON.parse(stdout) as Finding[]).flatMap(({ filePath, messages }) =>
    messages.map(({ ruleId, message }) => [
      filePath.slice(join(workspace, "packages/planted/").length),
      ruleId,
      message,
    ]),
  );
});

test("each file of a circle of imports is found, types included, and no other file", () => {
  const cycles = found.filter(([, rule]) => rule === "architecture/no-import-cycles");
  expect(cycles.map(([file]) => file)).toEqual(["src/first.ts", "src/second.ts", "src/third.ts"]);
  expect(cycles[0]![2]).toMatch("src/first.ts -> src/second.ts -> src/third.ts -> src/first.ts");
});

test("an entry point exports at most 40 names, types and re-exports counted", () => {
  const wide = found.filter(([, rule]) => rule === "architecture/max-exported-names");
  expect(wide.map(([file, , message]) => [file, message.slice(0, 16)])).toEqual([
    ["src/wide.ts", "Exports 41 names"],
  ]);
});

test("what an entry point exports has a doc comment that says more than what it throws", () => {
  const bare = found.filter(([, rule]) => rule === "architecture/documented-exports");
  expect(bare.map(([file, , message]) => [file, message.slice(0, 20)])).toEqual([
    ["src/wide.ts", "More: no doc comment"],
  ]);
});

test("a file of C++ has at most 300 lines", () => {
  const long = found.filter(([, rule]) => rule === "max-lines");
  expect(long.map(([file]) => file)).toEqual(["native/long.cc"]);
});

test("nothing else is found", () => {
  expect(found).toHaveLength(6);
});
