// What ranks and their launcher print: forwarded line by line, and searched for why a job failed.

import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { findCause, prefixRank } from "@tessera/launcher";

interface Streams<S> {
  readonly stdout: S;
  readonly stderr: S;
}

/** The rules that mpirun draws above and below what it says of a job that failed. */
const RULE = /^[-=]{40,}$/;
/** What Node prints around the message of an error. */
const AROUND_ERRORS = /^\s|^Node\.js v|^[{}]/;

/**
 * Forwards what a job prints. What mpirun says between rules is held back: ranks say more. `finish` returns why the job
 * failed, null where nothing tells, and then lets out what was held back.
 */
export function forwardOutput(from: Streams<Readable>, to: Streams<Writable>) {
  const held: string[] = [];
  let isHolding = false;
  let cause: string | null = null;
  let lastWords: string | null = null;
  const onLine = (line: string, writable: Writable): void => {
    cause ??= findCause(line);
    const shown = prefixRank(line);
    const [, rank, words] = /^\[(\d+)\] (.*)$/.exec(shown) ?? [];
    if (rank === undefined && (isHolding || RULE.test(line))) {
      held.push(shown);
      if (RULE.test(line)) isHolding = !isHolding;
      return;
    }
    if (writable === to.stderr && words !== undefined && /\S/.test(words)) {
      if (!AROUND_ERRORS.test(words)) lastWords = `rank ${rank}: ${words}`;
    }
    writable.write(`${shown}\n`);
  };
  for (const name of ["stdout", "stderr"] as const) {
    const lines = createInterface({ input: from[name], crlfDelay: Infinity });
    lines.on("line", (line) => onLine(line, to[name]));
  }
  return {
    finish(): string | null {
      const why = cause ?? lastWords;
      if (why === null) for (const line of held) to.stderr.write(`${line}\n`);
      return why;
    },
  };
}
