// The tfjs backend `native`: kernels for CPUs, on memory of this process.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Bf16Products, Bf16ProductsBackend, HostMemory } from "@tessera/kernels/memory";
import { NativeBackend, registerNativeBackend } from "@tessera/native-backend";
import { findAddon, loadAddon, type CpuAddon, type Limits } from "./addon.js";
import { threadCount, type ThreadEnvironment } from "./threads.js";

/** The tfjs backend `native`: kernels in C++, on the threads of this process. Floats may be stored in 16 bits, and weights in 8. */
export class CpuBackend extends NativeBackend implements HostMemory, Bf16ProductsBackend {
  readonly bf16ProductsOffered: readonly Bf16Products[];

  constructor(private readonly cpu: CpuAddon) {
    super(cpu, ["fp32", "bf16", "fp16", "int8"]);
    this.bf16ProductsOffered = cpu.hasBf16Pairs() ? ["bf16", "fp32"] : ["fp32"];
  }

  get bf16Products(): Bf16Products {
    return this.cpu.usesBf16Pairs() ? "bf16" : "fp32";
  }

  set bf16Products(products: Bf16Products) {
    this.cpu.useBf16Pairs(products === "bf16");
  }

  measureBf16Products(): Readonly<Partial<Record<Bf16Products, number>>> {
    const { pairs, widened } = this.cpu.bf16Rates();
    return this.cpu.hasBf16Pairs() ? { bf16: pairs, fp32: widened } : { fp32: widened };
  }

  /** Where the elements are, for as long as a tensor holds them. Native memory is never moved. */
  address(tensor: Pick<TensorInfo, "dataId">): number {
    return this.addon.address(this.slotOf(tensor));
  }

  copyOut(tensor: Pick<TensorInfo, "dataId">, into: Float32Array): void {
    this.addon.read(this.slotOf(tensor), into);
  }
}

/** Loaded once in a process: the addon, or why there is none. */
let opened: { readonly addon: CpuAddon } | { readonly reason: string } | undefined;

function open(): NonNullable<typeof opened> {
  const found = findAddon();
  if ("reason" in found) return found;
  try {
    return { addon: loadAddon(found.file) };
  } catch (error) {
    const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    return { reason: `${found.file} does not load: ${line}` };
  }
}

/** Why `loadNative` loads nothing on this machine: "it is not built here, and ...". Null where it does. */
export function whyUnavailable(): string | null {
  opened ??= open();
  return "reason" in opened ? opened.reason : null;
}

/** Whether `loadNative` loads an addon on this machine. */
export const isAvailable = (): boolean => whyUnavailable() === null;

/**
 * Registers the backend `native` with the threads that `environment` (`process.env`) grants, and
 * returns true; returns false where there is no addon that loads (`whyUnavailable`), and leaves tfjs as it was.
 */
export function loadNative(environment: ThreadEnvironment): boolean {
  opened ??= open();
  if ("reason" in opened) return false;
  return registerAddon(opened.addon, environment);
}

/** Measures, in some 0.1 seconds, what the threads that `environment` grants can do; null where no addon loads. */
export function measureLimits(environment: ThreadEnvironment): Limits | null {
  opened ??= open();
  if ("reason" in opened) return null;
  const { addon } = opened;
  addon.setThreads(threadCount(environment, addon.processors()));
  return addon.limits();
}

/** Registers `addon` as the backend `native`, with the threads that `environment` grants. */
export function registerAddon(addon: CpuAddon, environment: ThreadEnvironment): boolean {
  addon.setThreads(threadCount(environment, addon.processors()));
  return registerNativeBackend("native", new CpuBackend(addon));
}
