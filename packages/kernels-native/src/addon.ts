// Finds and loads the addon, whose native side is native/addon.cc.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Addon } from "@tessera/native-backend";
import { threadCount, type ThreadEnvironment } from "./threads.js";

/** The addon of this package. */
export interface CpuAddon extends Addon {
  /** How many processors the affinity of this process allows. */
  processors(): number;
  /** For the kernels that this JavaScript thread runs. */
  setThreads(count: number): void;
}

type Level = "v4" | "v3" | "baseline";

const V3 = ["avx2", "fma", "f16c", "bmi2", "movbe"];
const V4 = ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"];

/** The binaries that a processor with these flags can run, best first. */
export function levelsFor(flags: ReadonlySet<string>): readonly Level[] {
  const has = (names: readonly string[]) => names.every((name) => flags.has(name));
  if (!has(V3)) return ["baseline"];
  return has(V4) ? ["v4", "v3", "baseline"] : ["v3", "baseline"];
}

function processorFlags(): ReadonlySet<string> {
  if (!existsSync("/proc/cpuinfo")) return new Set();
  const text = readFileSync("/proc/cpuinfo", "utf8");
  return new Set(/^flags\s*:(.*)$/m.exec(text)?.[1]?.split(" "));
}

/** Where an addon for this machine lies: prebuilt, or built here. Null where there is none. */
export function findAddon(): string | null {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const folders = [`prebuilds/${process.platform}-${process.arch}`, "dist/native"];
  const candidates = folders.flatMap((folder) =>
    levelsFor(processorFlags()).map((level) => path.join(root, folder, `tessera-${level}.node`)),
  );
  return candidates.find((file) => existsSync(file)) ?? null;
}

/** The addon at `file`, using the threads that `environment` grants. */
export function loadAddon(file: string, environment: ThreadEnvironment): CpuAddon {
  // OpenMP reads its settings once, when it is loaded. Threads that wait for more than some 30 microseconds must
  // sleep: where another process wants the core, spinning made a training step ten times slower.
  if (process.env["OMP_WAIT_POLICY"] === undefined) {
    process.env["OMP_WAIT_POLICY"] = "passive";
    process.env["GOMP_SPINCOUNT"] ??= "2000";
  }
  const addon = createRequire(import.meta.url)(file) as CpuAddon;
  addon.setThreads(threadCount(environment, addon.processors()));
  return addon;
}
