// Builds the binding on a TensorFlow into build/native/, where src/load.ts looks for it and which no other build
// touches, and tries it:
//   node native/build.mjs [FOLDER]
// FOLDER is a Python environment or an unpacked wheel that has TensorFlow. Default: the active environment, or what
// @tensorflow/tfjs-node downloaded.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { addonHeaders, compile, install } from "@tessera/native-addon";
import { BUILD } from "../dist/build.js";
import { builtFor, findTensorFlow, missingTools } from "./toolchain.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const NAMES = ["tessera_preload.node", "tessera_tensorflow.node"];

/** @param {string} reason */
function refuse(reason) {
  process.stdout.write(`TensorFlow engine: not built: ${reason}\n`);
  process.exitCode = 1;
}

/** @param {string | undefined} folder */
function build(folder) {
  const found = findTensorFlow(folder);
  if (found === undefined) {
    const where =
      folder === undefined ? "no active Python environment has one" : `${folder} has none`;
    const remedy =
      "python3 -m venv tensorflow && tensorflow/bin/pip install tensorflow-cpu (for NVIDIA's GPUs " +
      "'tensorflow[and-cuda]', for AMD's tensorflow-rocm), and then --tensorflow tensorflow";
    return refuse(`there is no TensorFlow: ${where}; ${remedy}`);
  }
  const missing = missingTools();
  if (missing.length > 0) {
    return refuse(
      `${missing.join(", ")} is missing; on Debian: apt-get install -y ${missing.join(" ")}`,
    );
  }
  const { headers, libraries } = found;
  process.stdout.write(`TensorFlow engine: on ${path.dirname(libraries[0] ?? "")}\n`);
  const built = compile(root, path.join("build", "tensorflow"), found, {
    ...addonHeaders(),
    TENSORFLOW_HEADERS: headers,
    TENSORFLOW_LIBRARIES: libraries.join(";"),
  });
  for (const name of NAMES)
    install(path.join(built, name), path.join(root, "build", "native", name));
  const build = path.join(root, "build", "native", BUILD);
  writeFileSync(build, JSON.stringify({ builtFor: builtFor(headers) }));
  const check = fileURLToPath(new URL("check.mjs", import.meta.url));
  const { status } = spawnSync(process.execPath, [check], { stdio: "inherit" });
  if (status !== 0) refuse("it is compiled, but does not compute");
}

build(process.argv[2]);
