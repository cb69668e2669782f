// A process that takes training steps: it is sent a word a line and answers each with a line of JSON. Between
// its answers it waits and takes no time from others.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/**
 * @typedef {object} Settings What a process trains.
 * @property {string} case
 * @property {number} batch
 * @property {number} time
 * @property {import("./cases.mjs").Sizes} model
 * @property {"fp32" | "bf16"} precision
 * @property {"native" | "wasm" | "tensorflow"} [backend]
 * @property {number} threads
 * @property {boolean} [profile] Whether the end reports where the time of a step goes.
 * @property {number} [ranks]
 * @property {0 | 1 | 2 | 3} [stage] ZeRO's.
 * @property {number} [accumulation] Microbatches of a rank.
 * @property {"fixed" | "free"} [sumOrder] In which order gradients are added.
 * @property {number} [tensor] Tensor-parallel ranks.
 * @property {boolean} [sequence] Whether these shard tokens too.
 * @property {number} [port] Where ranks of PyTorch meet.
 * @property {boolean} [compile] Whether PyTorch compiles its model, in the steps that warm up.
 */

/**
 * @typedef {object} End What a process reports at its end.
 * @property {number} peakBytes
 * @property {Readonly<Record<string, number>>} [parts] Seconds by part of a step.
 * @property {number | null} [flops] Of a step.
 * @property {number | null} [matmulFraction] Speed of a step, as a fraction of that of its products alone.
 * @property {number | null} [limitFraction] The same, as a fraction of what the precision's fastest unit can do.
 * @property {number} [hidden] Fraction of communication behind computation.
 * @property {string} [name] Of a peer.
 * @property {string} [version]
 */

/**
 * @typedef {object} Stepper
 * @property {() => Promise<{ seconds: number }>} step
 * @property {() => Promise<End>} end
 * @property {() => void} stop
 */

/**
 * `settings` go to the process as JSON, its last argument, and its threads in its environment.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {Settings} settings
 * @returns {Stepper}
 */
export function startStepper(command, args, settings) {
  const child = spawn(command, [...args, JSON.stringify(settings)], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, OMP_NUM_THREADS: String(settings.threads) },
  });
  /** @type {string | null} */
  let ended = null;
  child.on("error", (error) => (ended = error.message));
  child.on("exit", (code, signal) => (ended ??= `it ended with ${signal ?? `code ${code}`}`));
  child.stdin.on("error", () => undefined); // the exit says why
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  /** @param {string} word */
  const ask = async (word) => {
    child.stdin.write(`${word}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error(`${command} ${args.join(" ")}: ${ended ?? "it closed its output"}`);
    return JSON.parse(value);
  };
  return { step: () => ask("step"), end: () => ask("end"), stop: () => void child.kill() };
}
