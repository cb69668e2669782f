// Whether a run computes on all of its ranks what it computes on one.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { World } from "@tessera/collectives";
import type { FloatStorage } from "@tessera/kernels/memory";
import type { Tree } from "@tessera/params";
import { resolveRun } from "../run/resolve_run.js";
import type { RunConfig } from "../run/run_config.js";
import type { Summary } from "./compare.js";
import { describeLayout } from "./describe_layout.js";
import { narrowRun, type NarrowRun } from "./narrow_run.js";
import { STAGES, verifyStorage, type Fault } from "./verify_storage.js";

/** What came of a verification. */
export interface Verdict {
  /** "pipeline 2 (1f1b) x tensor 2 (sequence)". */
  readonly layout: string;
  readonly ranks: number;
  /** The first that differs; null where nothing does. */
  readonly fault: Fault | null;
  /** How many readings differ. */
  readonly differing: number;
  /** By storage. */
  readonly summaries: Readonly<Partial<Record<FloatStorage, Summary>>>;
  /** What was verified in place of the run. */
  readonly notes: readonly string[];
}

/** What `verifyRun` needs beside the run. */
export interface VerifyOptions {
  /** An empty folder that all ranks share. What is written there is small, and left to the caller. */
  readonly folder: string;
  /** Told of each part of the work before it begins, on the first rank. Default: nobody. */
  readonly onProgress?: (what: string, done: number, all: number) => void;
}

/**
 * Trains `config` in small on all ranks and on the first one alone, and compares all that they compute: activations,
 * gradients, losses, norms, updates, and what either makes of the other's checkpoint. Called by all ranks of the world,
 * after a backend is chosen; all of them get the verdict.
 * @throws UserError where the run could not be; Error where its ranks fail.
 */
export async function verifyRun<P extends Tree>(
  world: World,
  config: RunConfig<P>,
  { folder, onProgress = () => undefined }: VerifyOptions,
): Promise<Verdict> {
  const run = narrowRun(config, world.size);
  const { storage: own } = config.precision ?? { storage: "fp32" };
  // In fp32 faults are plain; in 16 bits there may be others.
  const storages: readonly FloatStorage[] = own === "fp32" ? ["fp32"] : ["fp32", own];
  const summaries: Partial<Record<FloatStorage, Summary>> = {};
  let [fault, differing, done] = [null as Fault | null, 0, 0];
  for (const storage of storages) {
    if (fault !== null) break;
    const at = join(folder, storage);
    if (world.rank === 0) mkdirSync(at, { recursive: true });
    const found = await verifyStorage(world, inStorage(run, storage), {
      folder: at,
      storage,
      onStage: (stage) => onProgress(stage, done++, storages.length * STAGES.length),
    });
    ({ fault, differing } = found);
    summaries[storage] = found.summary;
  }
  const layout = describeLayout(resolveRun(config, world.size).parallel);
  return { layout, ranks: world.size, fault, differing, summaries, notes: run.notes };
}

/** `run` with activations in `storage`: its own, or fp32. */
function inStorage<P extends Tree>(run: NarrowRun<P>, storage: FloatStorage): NarrowRun<P> {
  if (storage !== "fp32") return run;
  const precision = { storage } as const;
  return {
    ...run,
    config: { ...run.config, precision },
    alone: (globalBatch) => ({ ...run.alone(globalBatch), precision }),
  };
}
