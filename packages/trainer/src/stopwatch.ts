// How long training takes, without what is done between its steps.

import type { Quantity } from "@tessera/config/units";

/** Of steps that ran. */
export interface Elapsed {
  readonly steps: Quantity<"steps">;
  readonly samples: Quantity<"samples">;
  readonly seconds: Quantity<"seconds">;
}

const NOTHING: Elapsed = { steps: 0, samples: 0, seconds: 0 };

const joined = (a: Elapsed, b: Elapsed): Elapsed => ({
  steps: a.steps + b.steps,
  samples: a.samples + b.samples,
  seconds: a.seconds + b.seconds,
});

/** `now` gives milliseconds, from any start. */
export function stopwatch(now: () => number = () => performance.now()) {
  let total = NOTHING;
  let lap = NOTHING;
  let since = now();
  const passed = (steps: Quantity<"steps">, samples: Quantity<"samples">): void => {
    const at = now();
    const more = { steps, samples, seconds: (at - since) / 1000 };
    total = joined(total, more);
    lap = joined(lap, more);
    since = at;
  };
  return {
    total: (): Elapsed => total,
    /** A step of so many samples is over. */
    stepTaken: (samples: number) => passed(1, samples),
    /** What ran since the last call. */
    lap(): Elapsed {
      const ended = lap;
      lap = NOTHING;
      return ended;
    },
    /** What `work` takes is not training. */
    async apart<T>(work: () => T | Promise<T>): Promise<T> {
      passed(0, 0);
      const result = await work();
      since = now();
      return result;
    },
  };
}
