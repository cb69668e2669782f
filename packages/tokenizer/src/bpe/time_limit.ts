// Runs a function for a limited time: a regular expression can take exponential time, and only the engine can end it.

import { createContext, Script } from "node:vm";
import { UserError } from "@tessera/config";

/** Far more than any usual expression needs, also on a machine that does much else. */
const BASE_MILLISECONDS = 2000;
const MILLISECONDS_PER_CHARACTER = 0.002;

const context = createContext({ run: (): void => undefined });
const script = new Script("run()");
let isRunning = false;

/**
 * The result of `run`, which may take a time that is ample for patterns on a text of `length` characters. Within another
 * call of this, that one's time is the limit: a call takes about 0.1 ms.
 *
 * @throws UserError where it takes longer.
 */
export function runWithin<T>(length: number, run: () => T): T {
  if (isRunning) return run();
  const timeout = Math.ceil(BASE_MILLISECONDS + MILLISECONDS_PER_CHARACTER * length);
  isRunning = true;
  context["run"] = run;
  try {
    return script.runInContext(context, { timeout }) as T;
  } catch (error) {
    const isLate = (error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
    if (!isLate) throw error;
    throw new UserError(
      `the tokenizer's pattern takes more than ${Math.round(timeout / 1000)} s on ${length} ` +
        "characters of text, which no usual one does",
    );
  } finally {
    isRunning = false;
  }
}
