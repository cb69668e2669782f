// A step of a run once more, from a checkpoint before it.

import { UserError } from "@tessera/config";
import type { World } from "@tessera/collectives";
import { disposeTree, type Tree } from "@tessera/params";
import { silent, type Metrics } from "./reporter.js";
import { planRun } from "./run/plan_run.js";
import type { RunConfig } from "./run/run_config.js";
import { trainRun } from "./run/train_run.js";

/** Where a replay begins and ends. */
export interface Replay {
  /** The checkpoint that it goes on from. */
  readonly resume: string;
  /** The step whose figures are asked for. */
  readonly step: number;
  /** Told of each step, on the first rank. Default: nobody. */
  readonly onStep?: (step: number) => void;
}

/**
 * The figures of a step of `config`, `weights_hash` among them, as the run computes them from a checkpoint before it.
 * Nothing is saved. Called by all ranks of the world, after a backend is chosen; all of them get the figures.
 * @throws UserError where the run ends before the step, or does not go on from the checkpoint.
 */
export async function replayRun<P extends Tree>(
  world: World,
  config: RunConfig<P>,
  { resume, step, onStep }: Replay,
): Promise<Metrics> {
  const { checkpoints: _folder, ...rest } = config;
  const run = await planRun(world, {
    ...rest,
    resume,
    resumedPart: "state",
    evaluation: {},
    logInterval: 1,
    hashWeights: true,
  });
  const { steps } = run.plan.intervals;
  if (step > steps) throw new UserError(`step ${step}: the run has ${steps}; choose one of these`);
  const stop = new AbortController();
  let figures: Metrics | undefined;
  const validationless = { ...run, plan: { ...run.plan, validation: null } };
  const { state } = await trainRun(validationless, {
    signal: stop.signal,
    reporter: () => ({
      ...silent,
      metrics(metrics) {
        if (world.rank === 0) onStep?.(metrics["step"]!);
        if (metrics["step"] !== step) return;
        figures = metrics;
        stop.abort();
      },
    }),
  });
  for (const tree of [state.params, state.optimizer]) disposeTree(tree);
  if (figures !== undefined) return figures;
  throw new UserError(`${resume}: is of step ${step} or of a later one; choose an earlier one`);
}
