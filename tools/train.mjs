// `npm run train`: everything from a fresh clone to a trained model and its sample. Text is the
// English documentation that the installed packages bring; `npm run train -- --text FILE` takes
// other text, and every flag of gpt-ddp works here.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT, setUp } from "./setup.mjs";

setUp("@tessera/gpt-ddp");
const { isAvailable } = await import("../packages/kernels-native/dist/index.js");

const given = process.argv.slice(2);
/** @type {readonly (readonly [flag: string, value: string])[]} */
const defaults = [
  ["--text", "node_modules/**/*.md"],
  ["--output_dir", "outputs/train"],
  ["--max_steps", isAvailable() ? "1500" : "450"], // three minutes or so on two cores
  ["--logging_steps", "25"],
  ["--eval_steps", "150"],
  ["--validation_split", "0.01"],
  ["--prompt", "## "],
];
/** @param {string} flag */
const isGiven = (flag) => given.some((arg) => arg === flag || arg.startsWith(`${flag}=`));
const flags = defaults.filter(([flag]) => !isGiven(flag)).flat();
// The default folder is this command's own; another may hold what its owner wants to keep.
if (!isGiven("--output_dir") && !isGiven("--resume_from_checkpoint")) {
  flags.push("--overwrite_output_dir");
}

const app = join(ROOT, "apps/gpt-ddp/dist/main.js");
const child = spawn(process.execPath, [app, ...flags, ...given], { cwd: ROOT, stdio: "inherit" });
// Ctrl-C reaches the child as well; it saves, and its exit code is this command's.
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
  process.on(signal, () => child.kill(signal));
}
child.on("exit", (code) => (process.exitCode = code ?? 1));
