// A run's own reasons to stop before its end.

import { LIMIT } from "@tessera/trainer";
import type { Reporter } from "@tessera/trainer/report";
import type { Flags } from "./flags.js";

const MINUTE_MS = 60_000;

/** `reporter`, which also stops the run where --exit-interval or --exit-duration-in-mins says so. */
export function withLimits(
  reporter: Reporter,
  flags: Pick<Flags, "exit-interval" | "exit-duration-in-mins">,
  stop: AbortController,
  now: () => number = () => performance.now(),
): Reporter {
  const { "exit-interval": interval, "exit-duration-in-mins": minutes = Infinity } = flags;
  const began = now();
  return {
    ...reporter,
    tick(step, tokensPerSecond) {
      reporter.tick(step, tokensPerSecond);
      const isLast = interval !== undefined && step % interval === 0;
      if (isLast || now() - began > minutes * MINUTE_MS) stop.abort(LIMIT);
    },
  };
}
