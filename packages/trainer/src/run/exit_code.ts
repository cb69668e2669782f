// Exit codes of a run, for shells and batch systems.

import { EXIT } from "@tessera/config";
import { anyRank } from "@tessera/parallel";
import type { TrainingPlan } from "../plan.js";
import type { TrainingResult } from "../train.js";

/** The reason with which a run's own limits abort its signal. */
export const LIMIT = "limit";

/**
 * 0 where a run came to its end, its own limit, or a SIGTERM that `isExpected`; else 130. Called by all ranks,
 * which may have got different signals.
 */
export function runExitCode(
  { axes }: Pick<TrainingPlan, "axes">,
  { interrupted }: Pick<TrainingResult, "interrupted">,
  { signal, isExpected }: { readonly signal: AbortSignal; readonly isExpected: boolean },
): number {
  if (!interrupted) return EXIT.done;
  const isGood = signal.reason === LIMIT || (signal.reason === "SIGTERM" && isExpected);
  return anyRank(axes, signal.aborted && !isGood) ? EXIT.interrupted : EXIT.done;
}
