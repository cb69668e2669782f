// Which TensorFlow the binding can be built on, and what is missing to build it.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

/**
 * A TensorFlow: where its headers and the libraries with its C API are.
 * @typedef {{ readonly headers: string, readonly libraries: readonly string[] }} TensorFlow
 */

/**
 * The library `name` in `folder`, with the number behind it that there is.
 * @param {string} folder
 * @param {string} name
 */
function libraryIn(folder, name) {
  if (!existsSync(folder)) return undefined;
  const found = readdirSync(folder).filter(
    (file) => file === `${name}.so` || file.startsWith(`${name}.so.`) || file === `${name}.dylib`,
  );
  return found.length === 0 ? undefined : path.join(folder, found.sort()[0] ?? "");
}

/**
 * TensorFlow as the folder `tensorflow` of a Python wheel has it.
 * @param {string} folder
 * @returns {TensorFlow | undefined}
 */
function inWheel(folder) {
  const headers = path.join(folder, "include");
  const api = libraryIn(folder, "libtensorflow_cc");
  const framework = libraryIn(folder, "libtensorflow_framework");
  if (api === undefined || framework === undefined) return undefined;
  return existsSync(path.join(headers, "tensorflow/c/eager/c_api.h"))
    ? { headers, libraries: [api, framework] }
    : undefined;
}

/**
 * In a Python environment, or an unpacked wheel, or the folder `tensorflow` itself.
 * @param {string} folder
 * @returns {TensorFlow | undefined}
 */
export function findIn(folder) {
  const lib = path.join(folder, "lib");
  const pythons = existsSync(lib)
    ? readdirSync(lib).filter((name) => /^python3\.\d+$/.test(name))
    : [];
  const places = [
    folder,
    path.join(folder, "tensorflow"),
    ...pythons.map((python) => path.join(lib, python, "site-packages/tensorflow")),
  ];
  for (const place of places) {
    const found = inWheel(place);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * What tfjs-node downloaded when it was installed beside `from`.
 * @param {string} from
 * @returns {TensorFlow | undefined}
 */
function findDownloaded(from) {
  const { resolve } = createRequire(path.join(from, "package.json"));
  for (const name of ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"]) {
    try {
      const folder = path.join(path.dirname(resolve(`${name}/package.json`)), "deps");
      const api = libraryIn(path.join(folder, "lib"), "libtensorflow");
      const framework = libraryIn(path.join(folder, "lib"), "libtensorflow_framework");
      if (api === undefined || framework === undefined) continue;
      return { headers: path.join(folder, "include"), libraries: [api, framework] };
    } catch {
      // Not installed.
    }
  }
  return undefined;
}

/**
 * The TensorFlow in `folder`, or else that of the active environment, or what tfjs-node downloaded.
 * @param {string | undefined} folder
 * @param {NodeJS.ProcessEnv} env
 * @returns {TensorFlow | undefined}
 */
export function findTensorFlow(folder, env = process.env) {
  if (folder !== undefined) return findIn(path.resolve(folder));
  for (const active of [env["VIRTUAL_ENV"], env["CONDA_PREFIX"]]) {
    const found = active === undefined || active === "" ? undefined : findIn(active);
    if (found !== undefined) return found;
  }
  return findDownloaded(process.cwd());
}

/**
 * What the TensorFlow of these headers is built for, as its Python side says: "processors", "ROCm" or "CUDA 12.5.1".
 * @param {string} headers
 */
export function builtFor(headers) {
  const file = path.join(path.dirname(headers), "python/platform/build_info.py");
  const info = existsSync(file) ? readFileSync(file, "utf8") : "";
  if (info.includes("('is_rocm_build', True)")) return "ROCm";
  if (!info.includes("('is_cuda_build', True)")) return "processors";
  return `CUDA ${/'cuda_version', '([\w.]+)'/.exec(info)?.[1] ?? ""}`.trim();
}

/** @param {string} command */
function isMissing(command) {
  try {
    execFileSync(command, ["--version"], { stdio: "ignore" });
    return false;
  } catch {
    return true;
  }
}

/** Debian's packages that a build is in want of. */
export const missingTools = (env = process.env) => [
  ...(isMissing(env["CXX"] ?? "c++") ? ["g++"] : []),
  ...(isMissing("cmake") ? ["cmake", "make"] : []),
];
