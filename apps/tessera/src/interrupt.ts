// Ctrl-C, for commands that must clean up.

import { EXIT } from "@tessera/config";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/**
 * Runs `work` with a signal that Ctrl-C or SIGTERM aborts; a second one ends the process at once. The exit code is that
 * of `work`, or says that it was interrupted; after a signal of `ends`, which is how such a program ends, it is that of
 * `work` too.
 */
export async function runInterruptibly(
  work: (signal: AbortSignal) => Promise<number>,
  ends: readonly NodeJS.Signals[] = [],
): Promise<number> {
  const controller = new AbortController();
  const { signal } = controller;
  const stop = (name: NodeJS.Signals) => {
    if (signal.aborted) process.exit(EXIT.interrupted);
    controller.abort(name);
  };
  for (const name of SIGNALS) process.on(name, stop);
  try {
    const code = await work(signal);
    const isCut = signal.aborted && !ends.some((name) => name === signal.reason);
    return isCut ? EXIT.interrupted : code;
  } finally {
    for (const name of SIGNALS) process.off(name, stop);
  }
}
