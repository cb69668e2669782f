// ESLint rules of this workspace: what docs/architecture.md promises about files and packages.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import ts from "typescript";
import { cycleThrough, importGraph } from "./import_graph.mjs";

/** @typedef {import("eslint").Rule.RuleModule} Rule */

/**
 * The folder of the package that has `file` among its sources; null for any other file.
 * @param {string} file
 */
function packageFolder(file) {
  let folder = dirname(file);
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return file.startsWith(join(folder, "src", sep)) ? folder : null;
}

/** The graph of each package, read once for all its files. */
const graphs = new Map();

/** @param {string} folder */
function graphOf(folder) {
  if (!graphs.has(folder)) graphs.set(folder, importGraph(join(folder, "src")));
  return graphs.get(folder);
}

/** @type {Rule} */
const noImportCycles = {
  meta: {
    type: "problem",
    docs: { description: "Files do not import each other in a circle, types included." },
    messages: { cycle: "Imports itself: {{ way }}. Move what both need to a file of its own." },
    schema: [],
  },
  create: (context) => ({
    Program(node) {
      const folder = packageFolder(context.filename);
      if (folder === null) return;
      const way = cycleThrough(graphOf(folder), context.filename);
      if (way === null) return;
      const shown = way.map((file) => relative(folder, file)).join(" -> ");
      context.report({ node, messageId: "cycle", data: { way: shown } });
    },
  }),
};

/**
 * The source of each entry point of a package.
 * @param {string} folder
 * @returns {readonly string[]}
 */
function entryPoints(folder) {
  const { exports = {} } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return Object.values(exports)
    .filter((target) => typeof target === "object")
    .map(({ types }) => resolve(folder, types.replace("./dist/", "src/").replace(".d.ts", ".ts")));
}

/** @type {Rule} */
const maxExportedNames = {
  meta: {
    type: "suggestion",
    docs: {
      description: "An entry point of a package exports a limited number of names, types included.",
    },
    messages: {
      tooMany:
        "Exports {{ count }} names, at most {{ max }} are allowed: move some to a subpath export.",
    },
    schema: [{ type: "integer", minimum: 1 }],
  },
  create: (context) => ({
    Program(node) {
      const folder = packageFolder(context.filename);
      if (folder === null || !entryPoints(folder).includes(context.filename)) return;
      const { program, esTreeNodeToTSNodeMap } = context.sourceCode.parserServices;
      const checker = program.getTypeChecker();
      const module = checker.getSymbolAtLocation(esTreeNodeToTSNodeMap.get(node));
      const count = module === undefined ? 0 : checker.getExportsOfModule(module).length;
      const max = Number(context.options[0]);
      if (count > max) context.report({ node, messageId: "tooMany", data: { count, max } });
    },
  }),
};

/** @type {Rule} */
const documentedExports = {
  meta: {
    type: "suggestion",
    docs: { description: "All that an entry point of a package exports has a doc comment." },
    messages: {
      bare: "{{ names }}: no doc comment. Say what it is: shapes, units, defaults, ownership, @throws.",
    },
    schema: [],
  },
  create: (context) => ({
    Program(node) {
      const folder = packageFolder(context.filename);
      if (folder === null || !entryPoints(folder).includes(context.filename)) return;
      const { program, esTreeNodeToTSNodeMap } = context.sourceCode.parserServices;
      const checker = program.getTypeChecker();
      const module = checker.getSymbolAtLocation(esTreeNodeToTSNodeMap.get(node));
      if (module === undefined) return;
      /** @param {import("typescript").Symbol} symbol */
      const isBare = (symbol) => {
        const isAlias = (symbol.flags & ts.SymbolFlags.Alias) !== 0;
        const original = isAlias ? checker.getAliasedSymbol(symbol) : symbol;
        return original.getDocumentationComment(checker).length === 0;
      };
      /** @type {readonly import("typescript").Symbol[]} */
      const all = checker.getExportsOfModule(module);
      const bare = all.filter(isBare);
      if (bare.length === 0) return;
      const names = bare.map(({ name }) => name).join(", ");
      context.report({ node, messageId: "bare", data: { names } });
    },
  }),
};

/**
 * Lets rules on lines see a language that ESLint cannot parse: each of its lines becomes a comment.
 * @type {import("eslint").Linter.Processor}
 */
const lines = {
  preprocess: (text) => [{ text: text.replaceAll(/^(?=[^])/gm, "//"), filename: "lines.js" }],
  postprocess: (messages) => messages.flat(),
};

export default {
  rules: {
    "no-import-cycles": noImportCycles,
    "max-exported-names": maxExportedNames,
    "documented-exports": documentedExports,
  },
  processors: { lines },
};
