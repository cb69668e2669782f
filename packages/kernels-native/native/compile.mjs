// Compiles an addon with CMake. The packages with an addon each have this file, for each installs alone.

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

const require = createRequire(import.meta.url);

/** Node's headers, from npm: nothing is downloaded while building. */
export const nodeHeaders = () => ({
  NODE_API_HEADERS: require("node-api-headers").include_dir,
  NODE_ADDON_API: path.dirname(require.resolve("node-addon-api/package.json")),
});

/**
 * Empties `folder` unless it was made for the same `key`. CMake remembers what it found: it refuses a folder
 * that came along with a moved clone, and keeps to a compiler that has been replaced.
 */
function prepare(folder, key) {
  const stamp = path.join(folder, "made-for.json");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === key) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(stamp, key);
}

/** Compiles the project in `root` in its `folder`, by `tools`, and returns that folder's path. */
export function compile(root, folder, tools, definitions) {
  const given = Object.entries(definitions).map(([name, value]) => `-D${name}=${value}`);
  const { CXX, CXXFLAGS, LDFLAGS } = process.env;
  const build = path.join(root, folder);
  prepare(build, JSON.stringify([root, tools, given, CXX, CXXFLAGS, LDFLAGS]));
  const run = (args) =>
    execFileSync("cmake", args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  run(["-S", root, "-B", build, ...given]);
  run(["--build", build, "--parallel", "2"]);
  return build;
}

/** Puts a built addon in its place by a rename, for running processes have the old one mapped. */
export function install(built, target) {
  mkdirSync(path.dirname(target), { recursive: true });
  copyFileSync(built, `${target}.new`);
  renameSync(`${target}.new`, target);
}
