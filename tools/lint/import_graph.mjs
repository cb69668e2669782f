// Which files of a package import which, and those that import each other in a circle.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import ts from "typescript";

/** @typedef {ReadonlyMap<string, readonly string[]>} ImportGraph The imports of each file, by absolute path. */

/**
 * The graph of all TypeScript files below `folder`. Imports of types count: a reader follows them too.
 * @param {string} folder
 * @returns {ImportGraph}
 */
export function importGraph(folder) {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => name.endsWith(".ts")).map((name) => join(folder, name));
  return new Map(files.map((file) => [file, importsOf(file)]));
}

/** @param {string} file */
function importsOf(file) {
  const { importedFiles } = ts.preProcessFile(readFileSync(file, "utf8"), true, true);
  return importedFiles
    .filter(({ fileName }) => fileName.startsWith("."))
    .map(({ fileName }) => resolve(dirname(file), fileName.replace(/\.js$/, ".ts")))
    .filter((path) => existsSync(path));
}

/**
 * The shortest way along imports from `file` back to itself, with `file` at both ends; null where there is none.
 * @param {ImportGraph} graph
 * @param {string} file
 * @returns {readonly string[] | null}
 */
export function cycleThrough(graph, file) {
  const seen = new Set();
  /** @type {(readonly string[])[]} */
  let ways = [[file]];
  while (ways.length > 0) {
    const longer = ways.flatMap((way) =>
      (graph.get(way.at(-1) ?? file) ?? []).map((next) => [...way, next]),
    );
    const closed = longer.find((way) => way.at(-1) === file);
    if (closed !== undefined) return closed;
    ways = longer.filter((way) => {
      const end = way.at(-1);
      return !seen.has(end) && seen.add(end);
    });
  }
  return null;
}
