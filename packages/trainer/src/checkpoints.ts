// Saves a run's states in its folder while training goes on.

import { openWriter, type CheckpointMetadata, type SaveResult } from "@tessera/checkpoint";
import type { World } from "@tessera/collectives";
import type { TrainingPlan } from "./plan.js";
import type { Reporter } from "./reporter.js";
import type { CheckpointConfig } from "./run/run_config.js";
import { withSources, type Identity } from "./saved_state.js";
import type { TrainingState } from "./state.js";

export interface CheckpointOptions extends Omit<CheckpointConfig, "interval"> {
  /** Logs a line while the folder is waited for. Default: nothing is logged. */
  readonly log?: (text: string) => void;
}

/** What a checkpoint records beside plan and state. */
export interface Described {
  /** What a run that continues this one must share with it, by name. */
  readonly identity: Identity;
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
  /** @throws UserError that names the file, if it is known by now that the last one could not be written. */
  check(): void;
}

export interface Checkpoints {
  readonly of: (
    plan: TrainingPlan,
    described: Described,
    reporter: Pick<Reporter, "note" | "phase">,
  ) => Saver;
  /** Resolves once all checkpoints are on the disk, with the last one's path on the first rank. */
  settled(): Promise<string | null>;
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
  const { folder, keep = 0, async: isAsync = true, timeoutSeconds = 600 } = options;
  const { rank, size: ranks, all } = world;
  const barrier = (): void => all.barrier();
  const writer = await openWriter({
    folder,
    rank,
    ranks,
    keep,
    timeoutSeconds,
    barrier,
    ...(options.log !== undefined && { log: options.log }),
  });
  let pending: Promise<SaveResult | null> = Promise.resolve(null);
  let failure: { readonly error: unknown } | null = null;

  const settled = async (): Promise<string | null> => (await pending)?.path ?? null;
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
        (error: unknown) => (failure = { error }),
      );
      if (!isAsync) await settled();
    },
    check() {
      if (failure !== null) throw failure.error;
    },
  });
  return {
    of,
    settled,
    close: () => writer.close(),
  };
}

function aboutOf(
  { model, schedule, seed }: TrainingPlan,
  { step, consumedSamples, lossScale }: TrainingState,
  { identity, trainSamples, run }: Described,
): CheckpointMetadata {
  return {
    progress: { step, consumedSamples, trainSamples, lossScale, seed, identity: { ...identity } },
    family: model.model.family.name,
    config: model.model.config,
    schedule: typeof schedule === "function" ? {} : { ...schedule },
    run,
  };
}

function describeSaved({ path, bytes, seconds }: SaveResult, pauseMs: number): string {
  const size = `${(bytes / 1e6).toFixed(1)} MB of this rank`;
  return `saved  ${path} (${size}; in ${seconds.toFixed(2)} s, training paused for ${pauseMs.toFixed(0)} ms)`;
}
