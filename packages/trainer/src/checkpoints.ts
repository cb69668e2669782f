// Saves a run's states in its folder while training goes on.

import { dirname, resolve } from "node:path";
import { openWriter, type CheckpointMetadata, type SaveResult } from "@tessera/checkpoint";
import { RunError } from "@tessera/config";
import type { World } from "@tessera/collectives";
import { formatBytes } from "./describe.js";
import type { TrainingPlan } from "./plan.js";
import type { Reporter } from "./reporter.js";
import type { CheckpointConfig } from "./run/run_config.js";
import type { Identity } from "./identity.js";
import { withSources } from "./saved_state.js";
import type { TrainingState } from "./state.js";

/** How checkpoints of a run are written, and who is told of waiting. */
export interface CheckpointOptions extends Omit<CheckpointConfig, "interval"> {
  /** Logs a line while the folder is waited for. Default: nothing is logged. */
  readonly log?: (text: string) => void;
}

/** What a checkpoint records beside plan and state. */
export interface Described {
  /** What a run that continues this one must share with it, by name. */
  readonly identity: Identity;
  /** What else changes its numbers, by name. */
  readonly settings?: Identity;
  /** Samples that the order of a dataset was laid out for. */
  readonly trainSamples?: number | undefined;
  /** The run's settings as they were resolved, for people. */
  readonly run: Readonly<Record<string, unknown>>;
}

/** Saves the states of one run. Called by all ranks, alike. */
export interface Saver {
  /**
   * Copies what this rank writes of `state`, which may change once this has resolved. Waits for the checkpoint
   * before, if it is still being written, and rejects if that failed.
   */
  save(state: TrainingState): Promise<void>;
  /**
   * Called once training went on well from the state that was saved last, or has ended with it: older checkpoints may go
   * now, as many as are to go.
   */
  retain(): void;
  /** @throws UserError that names the file, if it is known by now that the last one could not be written. */
  check(): void;
}

/** The checkpoints of a run in a folder that it alone may write to. */
export interface Checkpoints {
  readonly of: (
    plan: TrainingPlan,
    described: Described,
    reporter: Pick<Reporter, "note" | "phase">,
  ) => Saver;
  /**
   * On the first rank, for a run that was at its end already in the checkpoint at `path`, and may have been killed before
   * older ones were removed: removes them, where that is in this folder.
   */
  retainFrom(path: string): Promise<void>;
  /** Resolves once all checkpoints are on the disk, with the last one's path on the first rank. */
  settled(): Promise<string | null>;
  /**
   * Releases the folder because `error` ended the run. Where all ranks are at an end together, a good state that is
   * still being written is finished first; where one failed alone, its shard would be waited for in vain.
   */
  abandon(error: unknown): Promise<void>;
  /** Releases the folder. */
  close(): Promise<void>;
}

/**
 * Locks `folder`, which is created if there is none, for this job. Called by all ranks of `world`.
 * @throws UserError where it cannot be written, or another job saves there.
 */
export async function openCheckpoints(
  world: World,
  options: CheckpointOptions,
): Promise<Checkpoints> {
  const { folder, keep = 0, async: isAsync = true, timeoutSeconds = 600, log } = options;
  const { rank, size: ranks, all } = world;
  const job = { folder, rank, ranks, keep, timeoutSeconds, ...(log !== undefined && { log }) };
  const writer = await openWriter({ ...job, barrier: () => all.barrier() });
  let pending: Promise<SaveResult | null> = Promise.resolve(null);
  let retained: Promise<void> = Promise.resolve();
  let failure: { readonly error: unknown } | null = null;
  const fail = (error: unknown): void => void (failure = { error });

  const settled = async (): Promise<string | null> => {
    const { path } = (await pending) ?? { path: null };
    await retained;
    return path;
  };
  const of: Checkpoints["of"] = (plan, described, reporter) => ({
    async save(state) {
      const began = performance.now();
      await settled();
      const about = aboutOf(plan, state, described);
      const onProgress = (written: number, all: number): void => {
        if (!isAsync) reporter.phase("saving, bytes", written, all);
      };
      const written = withSources(plan, state, (sources) =>
        writer.write(about, sources, onProgress),
      );
      const pauseMs = performance.now() - began;
      pending = written;
      written.then(
        (saved) => saved.path !== null && reporter.note(describeSaved(saved, pauseMs)),
        fail,
      );
      if (!isAsync) await settled();
    },
    retain() {
      retained = writer.retain();
      retained.catch(fail);
    },
    check() {
      if (failure !== null) throw failure.error;
    },
  });
  return {
    of,
    async retainFrom(path) {
      if (resolve(dirname(path)) === resolve(folder)) await writer.retain(path);
    },
    settled,
    async abandon(error) {
      const isTogether = error instanceof RunError || world.size === 1;
      // What a save failed with, the run ended with already, or will not hear of anymore.
      if (isTogether) await settled().catch(() => undefined);
      await writer.close();
    },
    close: () => writer.close(),
  };
}

function aboutOf(
  { model, schedule, seed }: TrainingPlan,
  { step, consumedSamples, lossScale }: TrainingState,
  { identity, settings = {}, trainSamples, run }: Described,
): CheckpointMetadata {
  return {
    progress: {
      ...{ step, consumedSamples, trainSamples, lossScale, seed },
      ...{ identity: { ...identity }, settings: { ...settings } },
    },
    family: model.model.family.name,
    config: model.model.config,
    schedule: typeof schedule === "function" ? {} : { ...schedule },
    run,
  };
}

function describeSaved({ path, bytes, seconds }: SaveResult, pauseMs: number): string {
  const size = `${formatBytes(bytes)} of this rank`;
  return `saved  ${path} (${size}; in ${seconds.toFixed(2)} s, training paused for ${pauseMs.toFixed(0)} ms)`;
}
