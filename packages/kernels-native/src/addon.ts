// Finds and loads the addon, whose native side is native/addon.cc.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Addon } from "@tessera/native-backend";
import { findPrebuilt, type Found } from "./prebuilt.js";
import { levelsFor, thisMachine } from "./machine.js";

/** What a processor can do at most, in a second: measured by bare loops. */
export interface Limits {
  /** Operations of fp32 multiply-adds, two for each. */
  readonly fp32: number;
  /** The same of bf16 dot products; 0 where the processor has none. */
  readonly bf16: number;
  /** Bytes that are read from memory. */
  readonly bandwidth: number;
}

/** Operations a second of products of bf16 operands. */
export interface Bf16Rates {
  /** That multiply pairs of them; 0 where the processor has no such instruction. */
  readonly pairs: number;
  /** That widen them to fp32. */
  readonly widened: number;
}

/** The addon of this package. */
export interface CpuAddon extends Addon {
  /** How many processors the affinity of this process allows. */
  processors(): number;
  /** What the processor can do at most, on the threads of this JavaScript thread. */
  limits(): Limits;
  /** Whether the processor multiplies pairs of bf16 elements. */
  hasBf16Pairs(): boolean;
  /** Whether products of bf16 operands do; else they are widened to fp32. */
  usesBf16Pairs(): boolean;
  /** For all threads of this process. Throws where the processor has no pairs. */
  useBf16Pairs(pairs: boolean): void;
  /** Takes some 20 milliseconds. */
  bf16Rates(): Bf16Rates;
  /** For the kernels that this JavaScript thread runs. */
  setThreads(count: number): void;
}

const require = createRequire(import.meta.url);

/** Where an addon for this machine lies: built here, or prebuilt. Else why there is none. */
export function findAddon(): Found {
  const machine = thisMachine();
  const built = fileURLToPath(new URL("../dist/native", import.meta.url));
  const file = levelsFor(machine.flags)
    .map((level) => path.join(built, `tessera-${level}.node`))
    .find(existsSync);
  if (file !== undefined) return { file };
  const name = `@tessera/kernels-native-${machine.platform}-${machine.arch}`;
  return findPrebuilt(name, machine, (id) => require.resolve(id));
}

/**
 * The addon at `file`.
 *
 * @throws Error of the dynamic linker where the file or a library that it needs does not load.
 */
export function loadAddon(file: string): CpuAddon {
  // OpenMP reads its settings once, when it is loaded. Threads that wait for more than some 30 microseconds must
  // sleep: where another process wants the core, spinning made a training step ten times slower.
  if (process.env["OMP_WAIT_POLICY"] === undefined) {
    process.env["OMP_WAIT_POLICY"] = "passive";
    process.env["GOMP_SPINCOUNT"] ??= "2000";
  }
  return require(file) as CpuAddon;
}
