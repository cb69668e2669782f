// A copy of the workspace in which mutants are planted: nobody's own files are ever changed.

import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { apply, transpile } from "./operators.mjs";

const LEFT_OUT = new Set(["node_modules", ".git", ".nx", ".ci", "corpus", "outputs"]);

/**
 * Copies `root`. Its dependencies are linked, but its own packages are the copy's.
 * @param {string} root
 */
export function copyWorkspace(root) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "tessera-mutate-")));
  for (const name of readdirSync(root)) {
    if (LEFT_OUT.has(name)) continue;
    /** @param {string} path */
    const isKept = (path) => basename(path) !== "node_modules";
    cpSync(join(root, name), join(folder, name), { recursive: true, filter: isKept });
  }
  mkdirSync(join(folder, "node_modules/@tessera"), { recursive: true });
  mkdirSync(join(folder, "tmp"));
  const modules = join(root, "node_modules");
  for (const name of readdirSync(modules)) {
    if (name !== "@tessera") symlinkSync(join(modules, name), join(folder, "node_modules", name));
  }
  for (const name of readdirSync(join(modules, "@tessera"))) {
    const target = readlinkSync(join(modules, "@tessera", name));
    symlinkSync(target, join(folder, "node_modules/@tessera", name));
  }
  return folder;
}

/** @param {string} folder */
export const removeWorkspace = (folder) => rmSync(folder, { recursive: true, force: true });

/**
 * Plants a mutant in a copy, in its source and in its build. Returns a function that removes it again.
 * @param {string} folder
 * @param {import("./sample.mjs").Mutant} mutant
 */
export function plant(folder, mutant) {
  const { file } = mutant;
  const sourcePath = join(folder, file);
  const builtPath = sourcePath.replace("/src/", "/dist/").replace(/\.ts$/, ".js");
  const before = [sourcePath, builtPath].map((path) => ({ path, content: readFileSync(path) }));
  const source = apply(readFileSync(sourcePath, "utf8"), mutant);
  writeFileSync(sourcePath, source);
  writeFileSync(builtPath, transpile(source));
  return () => {
    for (const { path, content } of before) writeFileSync(path, content);
  };
}
