// Trains with flags of gpt-ddp and this command's defaults, and says what can be done with the model.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { program } from "../../apps/gpt-ddp/dist/flags.js";
import { parseFlags, UserError } from "../../packages/config/dist/index.js";
import { ROOT } from "../setup.mjs";
import { drawLosses, listLosses, readLosses } from "./loss_curve.mjs";

const APP = join(ROOT, "apps/gpt-ddp/dist/main.js");

/** @typedef {Extract<ReturnType<typeof parseFlags<typeof program.groups>>, { given: unknown }>} Parsed */

/**
 * @param {readonly string[]} given The user's flags.
 * @param {{ isNative: boolean, folder?: string }} options Whether the native engine is there, and this command's own
 * folder. Another one may hold what its owner wants to keep, and gpt-ddp asks.
 * @returns {Promise<number>} The exit code.
 */
export async function train(given, { isNative, folder = "outputs/train" }) {
  const parsed = parse(given);
  // A question, or what gpt-ddp will refuse.
  if (parsed === undefined) return runApp(given);
  const isOwn = ["output_dir", "resume_from_checkpoint"].every((name) => !parsed.given.has(name));
  const output = parsed.given.has("output_dir") ? parsed.values.output_dir : folder;
  const flags = [...defaultsBeside(parsed, isNative), ...given];
  // There as long as a run of these flags has not ended.
  const started = join(resolve(ROOT, folder), "unfinished.json");
  const start = isOwn ? begin(started, flags) : [];
  const code = await runApp([...flags, "--output_dir", output, ...start]);
  if (code === 0) {
    if (isOwn) rmSync(started);
    process.stdout.write(conclude(parsed, flags, output));
  } else if (isOwn && code === 130) {
    process.stdout.write("the same command again goes on from there\n");
  }
  return code;
}

/**
 * @param {readonly string[]} given
 * @returns {Parsed | undefined}
 */
function parse(given) {
  try {
    const parsed = parseFlags(program, given);
    return "answer" in parsed ? undefined : parsed;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/**
 * This command's defaults, but for what the user says, by the flag itself or by another one.
 * @param {Parsed} parsed
 * @param {boolean} isNative
 */
function defaultsBeside({ values, given }, isNative) {
  const computesFast = isNative && (values.backend ?? "native") === "native";
  /** @type {readonly (readonly [flag: string, value: string, ...others: string[]])[]} */
  const defaults = [
    // With the set-up, three minutes on two cores.
    ["max_steps", computesFast ? "700" : "150", "num_train_epochs"],
    ["learning_rate", "3e-3", "deepspeed"],
    ["warmup_steps", "50", "warmup_ratio", "deepspeed"],
    ["logging_steps", "25"],
    ["eval_steps", "100"],
    ["save_steps", "100"],
    ["keep", "1"],
    ["validation_split", "0.02"],
    ["prompt", "Call me "],
  ];
  return defaults
    .filter(([flag, , ...others]) => ![flag, ...others].some((name) => given.has(name)))
    .flatMap(([flag, value]) => [`--${flag}`, value]);
}

/**
 * Whether a run goes on with what one of the same flags left, or starts anew.
 * @param {string} started
 * @param {readonly string[]} flags
 */
function begin(started, flags) {
  const command = JSON.stringify(flags);
  if (existsSync(started) && readFileSync(started, "utf8") === command) {
    return ["--resume_from_checkpoint=auto"];
  }
  mkdirSync(join(started, ".."), { recursive: true });
  writeFileSync(started, command);
  return ["--overwrite_output_dir"];
}

/**
 * @param {readonly string[]} flags
 * @returns {Promise<number>} The exit code.
 */
function runApp(flags) {
  const child = spawn(process.execPath, [APP, ...flags], { cwd: ROOT, stdio: "inherit" });
  // Ctrl-C reaches the child as well; it saves, and its exit code is this command's.
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
    process.on(signal, () => child.kill(signal));
  }
  return new Promise((done) => child.on("exit", (code) => done(code ?? 1)));
}

/**
 * The curve of the losses, and what comes next.
 * @param {Parsed} parsed
 * @param {readonly string[]} flags
 * @param {string} output
 */
function conclude({ values }, flags, output) {
  const metrics = join(resolve(ROOT, output), "metrics.jsonl");
  const losses = existsSync(metrics) ? readLosses(readFileSync(metrics, "utf8")) : [];
  const curve = process.stdout.isTTY ? drawLosses(losses) : listLosses(losses);
  const model = ["--model", output, "--tokenizer", values.tokenizer ?? "bytes"];
  const half = Math.ceil(values.per_device_train_batch_size / 2);
  // Of a flag that is repeated the last one counts.
  const changed = ["--per_device_train_batch_size", `${half}`, "--output_dir", `${output}-two`];
  const app = ["npx", "tessera-gpt-ddp", ...flags, ...changed];
  const commands = {
    "write on": ["npx", "tessera", "generate", ...model, "--prompt", "Call me"],
    "serve it, with a page": ["npx", "tessera", "serve", ...model],
    "the same on two ranks": ["npx", "tessera", "launch", "--nproc-per-node", "2", "--", ...app],
  };
  const lines = Object.entries(commands).map(
    ([name, words]) => `${name}:\n  ${words.map(quote).join(" ")}`,
  );
  return `${[...(losses.length === 0 ? [] : [curve, ""]), ...lines].join("\n")}\n`;
}

/**
 * As a shell reads it as one word.
 * @param {string} word
 */
const quote = (word) =>
  /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
