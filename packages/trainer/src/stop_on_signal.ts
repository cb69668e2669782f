// Stopping because somebody outside says so.

import { EXIT } from "@tessera/config";

/**
 * Aborted by the first Ctrl-C or SIGTERM, whose name is then its reason; the second ends the process at
 * once, unless it is a SIGTERM that is expected: batch systems send them several times.
 */
export function stopOnSignal(
  isExpected: boolean,
  say: (text: string) => void,
  controller = new AbortController(),
): AbortController {
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    const isWanted = isExpected && name === "SIGTERM";
    process.on(name, () => {
      if (controller.signal.aborted && !isWanted) process.exit(EXIT.interrupted);
      if (controller.signal.aborted) return;
      say(`${name}: saving after this step${isWanted ? "" : "; once more to stop at once"}`);
      controller.abort(name);
    });
  }
  // A terminal that is lost takes its output away, and not the run.
  process.on("SIGHUP", () => undefined);
  return controller;
}
