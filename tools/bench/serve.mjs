// The serving suite: many clients, each of which asks again once it is answered, for some seconds. Latency, errors,
// and whether the server's memory grows.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import { writeModel, writeOnnxSteps } from "@tessera/checkpoint";
import { choice, number, UserError } from "@tessera/config";
import { preset, presetNames } from "@tessera/gpt";
import { randomModel } from "./shared/random_model.mjs";
import { output, suite, writeResults } from "./shared/suite.mjs";

/** @typedef {import("@tessera/gpt").PresetName} PresetName */
/** @typedef {{ server: import("node:child_process").ChildProcess, port: number }} Started */
/** @typedef {{ clients: number, seconds: number, tokens: number }} Load */
/** @typedef {{ first: number, whole: number }} Answer Milliseconds to its first piece, and to its end. */
/** @typedef {Awaited<ReturnType<typeof measure>>["result"]} Result */

const program = {
  name: "bench serve",
  summary: "Loads tessera serve with clients on this machine, and times its answers.",
  groups: {
    Cases: {
      model: choice("which model, with random weights", presetNames, "small"),
      engine: choice("what computes", ["onnx", "native"], "onnx"),
      clients: number("that ask at once", { min: 1, max: 1000, whole: true }, 64),
      seconds: number("how long", { min: 1, max: 600 }, 60),
      tokens: number("of each answer", { min: 1, whole: true }, 32),
    },
    Output: output,
  },
};

const MAIN = fileURLToPath(new URL("../../apps/tessera/dist/main.js", import.meta.url));

/**
 * @param {string} folder
 * @param {PresetName} name
 */
async function writeFiles(folder, name) {
  const config = preset(name, { vocabularySize: 256 });
  enableProdMode();
  await setBackend("cpu");
  const { params, valuesAt } = randomModel(config);
  writeModel(folder, config, params);
  for (const _step of writeOnnxSteps(folder, config, valuesAt, "fp32"));
}

/**
 * The server as a process of its own, and its port.
 * @param {string} folder
 * @param {"onnx" | "native"} engine
 * @returns {Promise<Started>}
 */
async function startServer(folder, engine) {
  const flags = ["--model", folder, "--engine", engine, "--tokenizer", "bytes", "--port", "0"];
  const server = spawn(process.execPath, [MAIN, "serve", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  /** @type {string} */
  const line = await new Promise((resolve, reject) => {
    server.stdout.once("data", (bytes) => resolve(String(bytes)));
    server.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return { server, port: Number(/:(\d+)\s*$/.exec(line)?.[1]) };
}

/**
 * Asks for a streamed answer. Resolves with its times, or with the error there was instead.
 * @param {number} port
 * @param {string} body
 * @returns {Promise<Answer | { error: string }>}
 */
function ask(port, body) {
  const start = performance.now();
  return new Promise((resolve) => {
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    };
    const sent = request(
      { host: "127.0.0.1", port, path: "/v1/completions", method: "POST", headers },
      (response) => {
        let first = NaN;
        let received = "";
        response.on("data", (bytes) => {
          if (received === "") first = performance.now() - start;
          received += bytes;
        });
        response.on("end", () => {
          const isWhole = response.statusCode === 200 && received.endsWith("data: [DONE]\n\n");
          const error = `${response.statusCode} ${received.trim()}`;
          resolve(isWhole ? { first, whole: performance.now() - start } : { error });
        });
        response.on("error", ({ message }) => resolve({ error: message }));
      },
    );
    sent.on("error", ({ message }) => resolve({ error: message }));
    sent.end(body);
  });
}

/** @param {number | undefined} pid */
const megabytesOf = (pid) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

/**
 * @param {readonly number[]} values
 * @param {number} part From 0 to 1.
 */
const quantile = (values, part) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(part * values.length))];

/**
 * @param {Started} started
 * @param {Load} load
 */
async function putLoad({ server, port }, { clients, seconds, tokens }) {
  /** @type {Answer[]} */
  const answers = [];
  /** @type {number[]} */
  const memory = [];
  /** @type {string[]} */
  const errors = [];
  const end = performance.now() + 1000 * seconds;
  /** @param {number} number */
  const client = async (number) => {
    for (let turn = 0; performance.now() < end; turn += 1) {
      const prompt = `client ${number} asks for the time, and that is question ${turn}`;
      const settings = { max_tokens: tokens, temperature: 1, seed: turn, stream: true };
      const answer = await ask(port, JSON.stringify({ prompt, ...settings }));
      if ("error" in answer) errors.push(answer.error);
      else answers.push(answer);
    }
  };
  const watch = async () => {
    for (; performance.now() < end; await sleep(500)) memory.push(megabytesOf(server.pid));
  };
  await Promise.all([watch(), ...Array.from({ length: clients }, (_, number) => client(number))]);
  return { answers, memory, errors };
}

/** @param {Load & { model: PresetName, engine: "onnx" | "native" }} flags */
async function measure({ model, engine, ...settings }) {
  const folder = mkdtempSync(join(tmpdir(), "tessera-bench-"));
  await writeFiles(folder, model);
  const started = await startServer(folder, engine);
  try {
    const { answers, memory, errors } = await putLoad(started, settings);
    if (answers.length === 0) {
      throw new UserError(
        `none of ${errors.length} answers was complete; the first error: ${errors[0]}`,
      );
    }
    /** @param {readonly number[]} values */
    const quantiles = (values) => [0.5, 0.95, 0.99].map((part) => quantile(values, part));
    const [first, second] = [1, 2].map((thirds) => Math.floor((thirds * memory.length) / 3));
    const [early, late] = [memory.slice(first, second), memory.slice(second)];
    const result = {
      clients: settings.clients,
      seconds: settings.seconds,
      tokens: settings.tokens,
      model,
      engine,
      errors: errors.length,
      answers: answers.length,
      tokensPerSecond: (answers.length * settings.tokens) / settings.seconds,
      firstMs: quantiles(answers.map((answer) => answer.first)),
      wholeMs: quantiles(answers.map((answer) => answer.whole)),
      memoryMb: [quantile(early, 0.5), quantile(late, 0.5)],
    };
    return { result, errors };
  } finally {
    started.server.removeAllListeners("exit");
    started.server.kill("SIGINT");
    rmSync(folder, { recursive: true });
  }
}

/** @param {readonly number[]} values */
const milliseconds = (values) => values.map((value) => value.toFixed(0)).join(", ");

/** @param {Result} result */
function describe({ clients, seconds, errors, answers, firstMs, wholeMs, memoryMb, ...of }) {
  return [
    `${of.model} on ${of.engine}: ${clients} clients for ${seconds} s: ${answers} answers, ${errors} errors`,
    `${of.tokensPerSecond.toFixed(0)} tokens/s in all`,
    `first piece after ${milliseconds(firstMs)} ms, whole after ${milliseconds(wholeMs)} ms (50, 95, 99%)`,
    `memory ${memoryMb.map((mb) => mb.toFixed(0)).join(" MB in the middle third, ")} MB in the last`,
    "",
  ].join("\n");
}

export const run = suite(program, async (flags) => {
  const { result, errors } = await measure(flags);
  process.stdout.write(describe(result));
  if (errors.length > 0) process.stderr.write(`the first error: ${errors[0]}\n`);
  writeResults(flags.json, result);
  return errors.length === 0 ? 0 : 1;
});
