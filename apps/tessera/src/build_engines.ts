// tessera build-engines: compiles the native engines where they are installed, which npm does not do.

import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { isAvailable as isMpiBuilt } from "@tessera/collectives-mpi";
import { EXIT, text } from "@tessera/config";
import { isAvailable as isNativeBuilt } from "@tessera/kernels-native";
import { defineCommand } from "./command.js";

const { resolve } = createRequire(import.meta.url);

interface Engine {
  readonly name: string;
  readonly folder: () => string;
  readonly isBuilt: () => boolean;
}

const ENGINES: readonly Engine[] = [
  {
    name: "native engine",
    folder: () => dirname(resolve("@tessera/kernels-native/package.json")),
    isBuilt: isNativeBuilt,
  },
  {
    name: "MPI engine",
    folder: () => dirname(resolve("@tessera/collectives-mpi/package.json")),
    isBuilt: isMpiBuilt,
  },
];

const program = {
  name: "tessera build-engines",
  summary: "Compiles the native and the MPI engine, with this machine's compiler and MPI.",
  epilogue: [
    "The native engine needs a C++ compiler, CMake and oneDNN, the MPI engine CMake and MPI's compiler: what is",
    "missing is named with what brings it. Nothing is downloaded. Code 0 says that both are built, 1 that one is not;",
    "without them, tfjs's wasm backend computes, and jobs have one process.",
    "With --tensorflow the engine is built that computes on a TensorFlow which is here, and no other.",
  ].join("\n"),
  groups: {
    Engines: {
      tensorflow: {
        ...text(
          "build the TensorFlow engine, on the Python environment or unpacked wheel in this folder; without a value on " +
            "the active environment, or what @tensorflow/tfjs-node downloaded",
          "FOLDER",
        ),
        valueOptional: true,
      },
    },
  },
} as const;

function buildOnTensorFlow(folder: string | undefined): number {
  const script = join(
    dirname(resolve("@tessera/kernels-tensorflow/package.json")),
    "native/build.mjs",
  );
  // Without a value the flag is "true".
  const words = [script, ...(folder === undefined || folder === "true" ? [] : [folder])];
  const { status } = spawnSync(process.execPath, words, { stdio: "inherit" });
  return status === 0 ? EXIT.done : EXIT.failed;
}

export const buildEngines = defineCommand(program, ({ values, given }) => {
  if (given.has("tensorflow")) return buildOnTensorFlow(values.tensorflow);
  const built = ENGINES.map(({ name, folder, isBuilt }) => {
    process.stdout.write(`${name}: being built in ${folder()}\n`);
    const script = join(folder(), "native/build.mjs");
    const { status } = spawnSync(process.execPath, [script, "--required"], { stdio: "inherit" });
    const isDone = status === 0 && isBuilt();
    if (isDone) process.stdout.write(`${name}: built\n`);
    return isDone;
  });
  return built.every(Boolean) ? EXIT.done : EXIT.failed;
});
