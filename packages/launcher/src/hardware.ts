// What a node has for its ranks to share.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";

/** The GPUs whose driver is loaded. */
export interface Gpus {
  readonly maker: "NVIDIA" | "AMD";
  readonly count: number;
}

/** What the ranks of a node share. */
export interface NodeHardware {
  /** Those that this process may run on. */
  readonly processors: number;
  /** Null where there is none. */
  readonly gpus: Gpus | null;
}

/** What this machine has. */
export const thisNode = (): NodeHardware => ({
  processors: availableParallelism(),
  gpus: findGpus(),
});

/** The GPUs that Linux's drivers list in `/proc` and `/sys`, which are below `root`; null where they list none. */
export function findGpus(root = "/"): Gpus | null {
  const nvidia = namesIn(path.join(root, "proc/driver/nvidia/gpus")).length;
  if (nvidia > 0) return { maker: "NVIDIA", count: nvidia };
  const nodes = path.join(root, "sys/class/kfd/kfd/topology/nodes");
  // Its processors are nodes too.
  const amd = namesIn(nodes).filter((name) => hasShaders(path.join(nodes, name, "properties")));
  return amd.length === 0 ? null : { maker: "AMD", count: amd.length };
}

const namesIn = (folder: string): readonly string[] =>
  existsSync(folder) ? readdirSync(folder) : [];

/** A node that a container may not use cannot be read. */
function hasShaders(properties: string): boolean {
  try {
    return /^simd_count [1-9]/m.test(readFileSync(properties, "utf8"));
  } catch {
    return false;
  }
}
