// What the compiler says of sources that differ from those on disk, without writing them.

import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import ts from "typescript";

/**
 * @param {string} file
 * @returns {readonly string[]} It, and the sources beside it.
 */
const neighboursOf = (file) =>
  readdirSync(dirname(file))
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => join(dirname(file), name));

/**
 * A compiler of the project at `root`, for `files` and the sources beside them.
 * @param {string} root
 * @param {readonly string[]} files
 */
export function openCompiler(root, files) {
  const { config } = ts.readConfigFile(join(root, "tsconfig.base.json"), (path) =>
    readFileSync(path, "utf8"),
  );
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const known = [...new Set(files.map((file) => resolve(root, file)).flatMap(neighboursOf))];
  /** @type {Map<string, { version: number, text: string }>} */
  const changed = new Map();
  /** @type {ts.LanguageServiceHost} */
  const host = {
    getScriptFileNames: () => known,
    getScriptVersion: (file) => String(changed.get(file)?.version ?? 0),
    getScriptSnapshot: (file) => {
      const text = changed.get(file)?.text ?? ts.sys.readFile(file);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => root,
    getCompilationSettings: () => ({ ...options, composite: false, noEmit: true }),
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: ts.sys.fileExists,
    readFile: ts.sys.readFile,
    readDirectory: ts.sys.readDirectory,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    realpath: ts.sys.realpath ?? ((path) => path),
  };
  const service = ts.createLanguageService(host);
  let version = 0;

  /** @param {string} file */
  const errorsIn = (file) =>
    [...service.getSyntacticDiagnostics(file), ...service.getSemanticDiagnostics(file)].map(
      ({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"),
    );

  return {
    /**
     * The errors where `file` has `source`: its own or, where it has none, those of the sources beside it.
     * @param {string} file
     * @param {string} source
     * @returns {readonly string[]}
     */
    errorsWith(file, source) {
      const path = resolve(root, file);
      changed.set(path, { version: ++version, text: source });
      const own = errorsIn(path);
      const others = neighboursOf(path).filter((one) => one !== path);
      const all = own.length > 0 ? own : others.flatMap(errorsIn);
      changed.set(path, { version: ++version, text: readFileSync(path, "utf8") });
      return all;
    },
  };
}
