// Ctrl-C, for commands that must clean up.

import { EXIT } from "@tessera/config";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/**
 * Runs `work` with a signal that Ctrl-C or SIGTERM aborts; a second one ends the process at once.
 * The exit code is that of `work`, or says that it was interrupted.
 */
export async function runInterruptibly(
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
  };
  for (const name of SIGNALS) process.on(name, stop);
  try {
    const code = await work(controller.signal);
    return controller.signal.aborted ? EXIT.interrupted : code;
  } finally {
    for (const name of SIGNALS) process.off(name, stop);
  }
}
