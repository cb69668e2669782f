// Starts TensorFlow and makes it a backend of tfjs, once in a process.

import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { TensorFlowBackend } from "./backend.js";
import { BINDING, loadBinding, TYPES, type Binding } from "./binding.js";
import { builtFor, drivers, remarks, type BuiltFor } from "./build.js";
import { configurationOf } from "./configuration.js";
import { Graph } from "./graph.js";
import { opsOf } from "./ops.js";
import { registerTensorFlow } from "./register.js";

/** What computes. */
export interface TensorFlowFacts {
  readonly version: string;
  /** "CPU" or "GPU". */
  readonly device: string;
  /** How many GPUs TensorFlow sees. */
  readonly gpus: number;
  /** Whether it compiles programs by XLA. */
  readonly compiles: boolean;
  /** What it was built for: "processors", "ROCm", or "CUDA" with its version. */
  readonly builtFor: BuiltFor;
  /** Sentences on what keeps it from GPUs, and whether its version has been tried. */
  readonly remarks: readonly string[];
}

interface Opened {
  readonly binding: Binding;
  readonly facts: TensorFlowFacts;
}

let opened: Opened | { readonly reason: string } | undefined;

/** What the binding is built into. */
const FOLDER = fileURLToPath(new URL("../build/native", import.meta.url));

function open(threads: number): NonNullable<typeof opened> {
  if (!existsSync(path.join(FOLDER, BINDING))) {
    return { reason: "the binding to TensorFlow is not built here" };
  }
  // TensorFlow reads these as it is loaded. Its news about processors and GPUs are no errors.
  process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "3";
  process.env["TF_FORCE_GPU_ALLOW_GROWTH"] ??= "true";
  // oneDNN's primitives are kept from step to step.
  process.env["TF_MKL_OPTIMIZE_PRIMITIVE_MEMUSE"] ??= "false";
  const built = builtFor(FOLDER);
  try {
    const binding = loadBinding(FOLDER);
    binding.open(configurationOf(threads));
    const gpus = binding.devices().filter(([, type]) => type === "GPU");
    // One GPU a rank: the first that the process sees.
    binding.useDevice(gpus[0]?.[0] ?? "");
    const device = gpus.length > 0 ? "GPU" : "CPU";
    const seen = { version: binding.version(), gpus: gpus.length };
    const facts = {
      ...seen,
      device,
      compiles: hasXla(binding),
      builtFor: built,
      remarks: remarks({ ...seen, built }),
    };
    return { binding, facts };
  } catch (error) {
    const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    const needs =
      built === "ROCm"
        ? "; it is built for ROCm, whose libraries must be there: module load rocm"
        : "";
    return { reason: `TensorFlow does not load: ${line}${needs}` };
  }
}

/** Whether a function of two operations is compiled: a TensorFlow may be built without XLA. */
function hasXla(binding: Binding): boolean {
  const graph = new Graph(binding);
  const x = graph.placeholder(TYPES.fp32, [2]);
  const { add, mul } = opsOf(graph);
  graph.finish("tessera_xla", [add(mul(x, x), x)]);
  const program = binding.prepare("tessera_xla", [["_XlaMustCompile", "bool", true]], 1);
  const slots = Int32Array.of(binding.upload(TYPES.fp32, [2], Float32Array.of(1, 2)));
  const [input] = slots;
  try {
    binding.run(program, slots, 1);
    binding.release(slots[0]!);
    binding.wait();
    return true;
  } catch {
    return false;
  } finally {
    binding.release(input!);
  }
}

/** Why TensorFlow cannot compute on this machine, or null where it can. Loads it, with `threads`. */
export function whyUnavailable(threads = 0): string | null {
  opened ??= open(threads);
  return "reason" in opened ? opened.reason : null;
}

/**
 * Whether TensorFlow computes on a GPU here. Loads it, with `threads`, only where it is built and this machine has the
 * driver of one.
 */
export function seesGpu(threads = 0): boolean {
  return (
    drivers().length > 0 && whyUnavailable(threads) === null && (opened as Opened).facts.gpus > 0
  );
}

/** What computes; null where nothing can. */
export const describeTensorFlow = (): TensorFlowFacts | null =>
  whyUnavailable() === null ? (opened as Opened).facts : null;

/**
 * Registers the backend `tensorflow`, which computes with `threads` on processors (0: one for each), and returns true;
 * returns false where it cannot be had (`whyUnavailable`), and leaves tfjs as it was.
 */
export function loadTensorFlow(threads = 0): boolean {
  opened ??= open(threads);
  if ("reason" in opened) return false;
  const { binding, facts } = opened;
  return registerTensorFlow(new TensorFlowBackend(binding, facts));
}
