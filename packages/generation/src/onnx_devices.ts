// Where ONNX Runtime can compute, and why it cannot.

import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { UserError } from "@tessera/config";

/** ONNX Runtime's names of the execution providers that onnxruntime-node has, each on some platforms. */
export const onnxDevices = ["cpu", "cuda", "tensorrt", "dml", "coreml", "webgpu"] as const;

/** An execution provider of ONNX Runtime, by the name that it has there. */
export type OnnxDevice = (typeof onnxDevices)[number];

/** The build of onnxruntime-node that is installed. */
export interface OnnxBuild {
  readonly name: string;
  /** What it has beside the device in question. */
  readonly others: readonly string[];
}

/** An execution provider that a build knows; not bundled are those with a library of their own. */
interface Backend {
  readonly name: string;
  readonly bundled: boolean;
}

/**
 * The build with these backends.
 * @throws UserError where it lacks `device`, or the files that it needs.
 */
export function checkInstalled(
  device: OnnxDevice,
  backends: readonly Backend[],
  version = "",
): OnnxBuild {
  const ready = backends.filter(({ name, bundled }) => bundled || libraryOf(name) !== undefined);
  const others = ready.map(({ name }) => name).filter((name) => name !== device);
  const build = `onnxruntime-node ${version} for ${process.platform}-${process.arch}`;
  if (ready.length > others.length) return { name: build, others };
  throw new UserError(
    backends.some(({ name }) => name === device)
      ? `device ${device}: its files are not installed, as ${build} brings only ${others.join(", ")}: ` +
          `ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node fetches them, and ${needs(device)}`
      : `device ${device}: is not in ${build}, which has ${others.join(", ")}: choose one of these`,
  );
}

/** The shared library of an execution provider that is not in npm's package, where it has been put beside the others. */
function libraryOf(device: string): string | undefined {
  const { resolve } = createRequire(import.meta.url);
  const folder = join(dirname(resolve("onnxruntime-node/package.json")), "bin");
  const library = new RegExp(`(^|[/\\\\])(lib)?onnxruntime_providers_${device}\\.(so|dll|dylib)$`);
  const found = readdirSync(folder, { recursive: true }).find((path) => library.test(String(path)));
  return found === undefined ? undefined : join(folder, String(found));
}

function needs(device: OnnxDevice): string {
  if (device === "cuda") return "it needs NVIDIA's driver, CUDA and cuDNN";
  if (device === "tensorrt") return "it needs NVIDIA's driver, CUDA, cuDNN and TensorRT";
  return "it needs a GPU and its driver";
}

/** A sentence for a device that is installed, but fails. */
export function describeFailure(device: OnnxDevice, build: OnnxBuild, reason: unknown): string {
  const [line] = (reason instanceof Error ? reason.message : String(reason)).split("\n", 1);
  const missing = line!.includes("Failed to load shared library") ? findMissing(device) : undefined;
  // A reason may begin with a place in ONNX Runtime's sources, and the condition that failed there.
  const why = missing ?? line!.replace(/^\/\S+:\d+ .* was (false|true)\. /, "");
  return (
    `device ${device}: is in ${build.name}, but does not start (${why}): ${needs(device)}; ` +
    `there is also ${build.others.join(", ")}`
  );
}

/** What the system's loader says of a library that the device's own needs: ONNX Runtime leaves its name out. */
function findMissing(device: OnnxDevice): string | undefined {
  const library = libraryOf(device);
  try {
    if (library !== undefined) process.dlopen({ exports: {} }, library);
  } catch (error) {
    // A library that loads is refused too, as it is no module of Node's.
    const [line] = (error as Error).message.split("\n", 1);
    if (line!.includes("cannot open shared object file")) return line;
  }
  return undefined;
}
