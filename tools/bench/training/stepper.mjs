// A process that answers: it is sent a word a line and sends a line of JSON back. Between its answers
// it waits and takes no time from others.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** `settings` go to the process as JSON, its last argument, and its threads in its environment. */
export function stepper(command, args, settings) {
  const child = spawn(command, [...args, JSON.stringify(settings)], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, OMP_NUM_THREADS: String(settings.threads) },
  });
  let ended = null;
  child.on("error", (error) => (ended = error.message));
  child.on("exit", (code, signal) => (ended ??= `it ended with ${signal ?? `code ${code}`}`));
  child.stdin.on("error", () => undefined); // the exit says why
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(word) {
      child.stdin.write(`${word}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`${command} ${args.join(" ")}: ${ended ?? "it closed its output"}`);
      return JSON.parse(value);
    },
    stop: () => child.kill(),
  };
}
