// What the binding was built on, as native/build.mjs left it beside the binding, and what it is in want of.

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/** What a TensorFlow can compute on: "processors", "ROCm", or "CUDA" with its version. */
export type BuiltFor = string;

/** In the folder of the binding. */
export const BUILD = "build.json";

/** The versions that have trained, by their first two numbers. */
const TRIED = ["2.18", "2.20", "2.21"];

const PLATFORMS = ["CUDA", "ROCm"] as const;
type Platform = (typeof PLATFORMS)[number];

/** What NVIDIA's and AMD's drivers make visible. */
const DRIVERS = {
  CUDA: ["/proc/driver/nvidia/version", "/dev/nvidiactl"],
  ROCm: ["/dev/kfd"],
} as const;

const PACKAGES = { CUDA: "'tensorflow[and-cuda]'", ROCm: "tensorflow-rocm" } as const;

/** What the binding in `folder` was built for. */
export function builtFor(folder: string): BuiltFor {
  const file = path.join(folder, BUILD);
  if (!existsSync(file)) return "processors";
  return (JSON.parse(readFileSync(file, "utf8")) as { builtFor: BuiltFor }).builtFor;
}

/** The platforms whose driver is loaded here. */
export const drivers = (): readonly Platform[] =>
  PLATFORMS.filter((name) => DRIVERS[name].some((at) => existsSync(at)));

/** Sentences on what keeps a TensorFlow of `built` and `version` that sees `gpus` from GPUs, or has not been tried. */
export function remarks(
  { version, gpus, built }: { version: string; gpus: number; built: BuiltFor },
  present: readonly Platform[] = drivers(),
): readonly string[] {
  const own = PLATFORMS.find((name) => built.startsWith(name));
  const tried = TRIED.some((one) => version.startsWith(`${one}.`));
  return [
    ...(tried ? [] : [`version ${version} has not been tried: ${TRIED.join(", ")} have`]),
    ...(gpus > 0 ? [] : whyNone(own, present)),
  ];
}

function whyNone(own: Platform | undefined, [there]: readonly Platform[]): readonly string[] {
  if (there === undefined) return own === undefined ? [] : [`no driver for ${own} is loaded here`];
  if (own === there) {
    return [`the driver for ${own} is loaded, and no GPU is seen: pip install ${PACKAGES[own]}`];
  }
  return [`the driver for ${there} is loaded: pip install ${PACKAGES[there]}, and build on that`];
}
