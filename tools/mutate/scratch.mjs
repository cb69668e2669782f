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
import { apply, built } from "./operators.mjs";

const LEFT_OUT = new Set(["node_modules", ".git", ".nx", ".ci", "corpus", "outputs"]);

/** Copies `root`; what it depends on is linked, but its own packages, which the copy has for itself. */
export function copyWorkspace(root) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "tessera-mutate-")));
  for (const name of readdirSync(root)) {
    if (LEFT_OUT.has(name)) continue;
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

export const removeWorkspace = (folder) => rmSync(folder, { recursive: true, force: true });

/** Plants a mutant in a copy, as a source and as built. Returns what takes it out again. */
export function plant(folder, { file, ...mutant }) {
  const sourcePath = join(folder, file);
  const builtPath = sourcePath.replace("/src/", "/dist/").replace(/\.ts$/, ".js");
  const before = [sourcePath, builtPath].map((path) => [path, readFileSync(path)]);
  const source = apply(readFileSync(sourcePath, "utf8"), mutant);
  writeFileSync(sourcePath, source);
  writeFileSync(builtPath, built(source));
  return () => {
    for (const [path, content] of before) writeFileSync(path, content);
  };
}
