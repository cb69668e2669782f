// Every program of examples/, as in a project of its user outside the workspace: it compiles against the built
// packages, runs, and prints what it claims.

import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import { runNode, scratchFolder } from "@tessera/testing";
import { compile, packagesIn, published, ROOT } from "./packed.js";
import { printedFor, snippetOf } from "./snippets.js";

const EXAMPLES = join(ROOT, "examples");
const project = scratchFolder("examples")("project");

const files = readdirSync(EXAMPLES);
const examples = files
  .filter((file) => file.endsWith(".ts"))
  .map((file) => {
    const source = readFileSync(join(EXAMPLES, file), "utf8");
    return { file, source, snippet: snippetOf(source) };
  });

const folders = new Map(published.map(({ name, folder }) => [name, folder]));

/** Links a package where an installation would have it. Those of the workspace must be published. */
function link(name: string): void {
  const isOurs = name.startsWith("@tessera/");
  const folder = isOurs ? folders.get(name) : realpathSync(join(ROOT, "node_modules", name));
  if (folder === undefined) throw new Error(`${name}: is not published`);
  const at = join(project, "node_modules", name);
  mkdirSync(dirname(at), { recursive: true });
  symlinkSync(folder, at);
}

beforeAll(() => {
  mkdirSync(project);
  for (const file of files.filter((name) => name.endsWith(".txt"))) {
    copyFileSync(join(EXAMPLES, file), join(project, file));
  }
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const imported = examples.flatMap(({ source }) => packagesIn(source));
  for (const name of new Set([...imported, "@types/node"])) link(name);
  for (const { file, snippet } of examples) writeFileSync(join(project, file), snippet.marked);
});

test("all of them compile", () => {
  expect(examples.length).toBeGreaterThanOrEqual(5);
  compile(
    project,
    examples.map(({ file }) => file),
  );
});

test.each(examples)("$file", ({ file, snippet }) => {
  expect(snippet.loose.filter((remark) => remark.startsWith("prints:"))).toEqual([]);
  expect(snippet.claims).not.toEqual([]);
  // In no colours, which a terminal or Nx may ask for.
  const env = { ...process.env, FORCE_COLOR: "0", NO_COLOR: "1" };
  const { status, stdout, stderr } = runNode([file.replace(/ts$/, "js")], { cwd: project, env });
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(printedFor(stdout, snippet)).toEqual(snippet.claims);
});
