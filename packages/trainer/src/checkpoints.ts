// Saving a run's states in its folder while it goes on.

import { openWriter, type About, type Saved } from "@tessera/checkpoint";
import type { World } from "@tessera/collectives";
import type { TrainingPlan } from "./plan.js";
import type { Reporter } from "./reporter.js";
import { withSources, type Identity } from "./saved_state.js";
import type { TrainingState } from "./state.js";

export interface CheckpointOptions {
  readonly folder: string;
  /** How many stay; 0, unless it is said, for all. */
  readonly keep?: number;
  /** Whether training waits until a checkpoint is written: no, unless it is said. */
  readonly isWaitedFor?: boolean;
  /** How long ranks may wait for each other: 600 unless it is said. */
  readonly patienceSeconds?: number;
  /** What is said where the folder is waited for. */
  readonly say?: (text: string) => void;
}

/** What a checkpoint says beside what plan and state do. */
export interface Described {
  /** What the run must have in common with the one that continues it, by name. */
  readonly identity: Identity;
  /** Samples that the order of a dataset was laid out for. */
  readonly trainSamples?: number | undefined;
  /** The run's settings as they were resolved, for people. */
  readonly run: Readonly<Record<string, unknown>>;
}

/** Saves the states of one run. Called by all ranks, alike. */
export interface Saver {
  /**
   * Takes a copy of what this rank owns; the state may change once this has resolved. Waits for the one
   * before, if it is still being written, and rejects if that could not be.
   */
  save(state: TrainingState): Promise<void>;
  /** Throws a UserError that names the file, if it is known by now that the last one could not be written. */
  check(): void;
}

export interface Checkpoints {
  readonly of: (
    plan: TrainingPlan,
    described: Described,
    reporter: Pick<Reporter, "note" | "phase">,
  ) => Saver;
  /** Resolves once all that was saved is on the disk, with the last one's path on the first rank. */
  settled(): Promise<string | null>;
  /** Gives the folder back. */
  close(): Promise<void>;
}

/**
 * Takes `folder`, which is made if there is none, for this job. Called by all ranks of `world`. Throws a
 * UserError where it cannot be written, or another job saves there.
 */
export async function openCheckpoints(
  world: World,
  options: CheckpointOptions,
): Promise<Checkpoints> {
  const { folder, keep = 0, isWaitedFor = false, patienceSeconds = 600 } = options;
  const { rank, size: ranks, all } = world;
  const barrier = (): void => all.barrier();
  const say = options.say ?? (() => undefined);
  const writer = await openWriter({ folder, rank, ranks, keep, patienceSeconds, barrier, say });
  let underWay: Promise<Saved | null> = Promise.resolve(null);
  let failure: { readonly error: unknown } | null = null;

  const settled = async (): Promise<string | null> => (await underWay)?.path ?? null;
  const of: Checkpoints["of"] = (plan, described, reporter) => ({
    async save(state) {
      const began = performance.now();
      await settled();
      const about = aboutOf(plan, state, described);
      const tell = (written: number, all: number): void => {
        if (isWaitedFor) reporter.phase("saving, bytes", written, all);
      };
      const written = withSources(plan, state, (sources) => writer.write(about, sources, tell));
      const pauseMs = performance.now() - began;
      underWay = written;
      written.then(
        (saved) => saved.path !== null && reporter.note(told(saved, pauseMs)),
        (error: unknown) => (failure = { error }),
      );
      if (isWaitedFor) await settled();
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
): About {
  return {
    progress: { step, consumedSamples, trainSamples, lossScale, seed, identity: { ...identity } },
    family: model.model.family.name,
    config: model.model.config,
    schedule: typeof schedule === "function" ? {} : { ...schedule },
    run,
  };
}

function told({ path, bytes, seconds }: Saved, pauseMs: number): string {
  const size = `${(bytes / 1e6).toFixed(1)} MB of this rank`;
  return `saved  ${path} (${size}; in ${seconds.toFixed(2)} s, training paused for ${pauseMs.toFixed(0)} ms)`;
}
