// Compiles an addon with CMake. Nothing is downloaded: Node's headers come from npm packages.

import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);

/** Variables of CMake by name. */
export type Definitions = Readonly<Record<string, string>>;

/** The include directories of an addon: Node's headers, node-addon-api, and the glue of this package. */
export const addonHeaders = (): Definitions => ({
  NODE_API_HEADERS: (require("node-api-headers") as { include_dir: string }).include_dir,
  NODE_ADDON_API: path.dirname(require.resolve("node-addon-api/package.json")),
  TESSERA_NATIVE_ADDON: fileURLToPath(new URL("../native", import.meta.url)),
});

/**
 * Empties `folder` unless it was made for the same `key`. CMake caches what it found: it refuses a folder
 * that came along with a moved clone, and keeps using a compiler that has been replaced.
 */
function prepare(folder: string, key: string): void {
  const stamp = path.join(folder, "made-for.json");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === key) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(stamp, key);
}

const formatDefinitions = (definitions: Definitions): readonly string[] =>
  Object.entries(definitions).map(([name, value]) => `-D${name}=${value}`);

/**
 * Compiles the CMake project in `root` in its subfolder `folder`, and returns the path of that folder.
 * `tools` describes the tools of this machine: with others, or with other `definitions`, everything is compiled again;
 * with other `changes`, only what CMake finds to depend on them. Default: none.
 */
export function compile(
  root: string,
  folder: string,
  tools: object,
  definitions: Definitions,
  changes: Definitions = {},
): string {
  const given = formatDefinitions(definitions);
  const { CXX, CXXFLAGS, LDFLAGS } = process.env;
  const build = path.join(root, folder);
  prepare(build, JSON.stringify([root, tools, given, CXX, CXXFLAGS, LDFLAGS]));
  const run = (args: readonly string[], stdout: "inherit" | "ignore") =>
    execFileSync("cmake", args, { cwd: root, stdio: ["ignore", stdout, "inherit"] });
  run(["-S", root, "-B", build, ...given, ...formatDefinitions(changes)], "ignore");
  // A line for each file, with the part that is done.
  run(["--build", build, "--parallel", "2"], process.stdout.isTTY ? "inherit" : "ignore");
  return build;
}

/** Puts a built addon in place by a rename, because running processes have the old one mapped. */
export function install(built: string, target: string): void {
  mkdirSync(path.dirname(target), { recursive: true });
  copyFileSync(built, `${target}.new`);
  renameSync(`${target}.new`, target);
}
