// The serving suite: many clients that ask one after the other for as long as is said. Latency, errors, and
// whether the server's memory stays where it was.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import { writeModel, writingOnnx } from "@tessera/checkpoint";
import { choice, endWith, number, parseFlags, text, UserError } from "@tessera/config";
import { gpt, preset, presetNames } from "@tessera/gpt";
import { leafAt, materialize } from "@tessera/params";

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
    Output: { json: text("writes the results as JSON", "FILE") },
  },
};

const MAIN = fileURLToPath(new URL("../../apps/tessera/dist/main.js", import.meta.url));

async function writeFiles(folder, name) {
  const config = preset(name, { vocabularySize: 256 });
  enableProdMode();
  await setBackend("cpu");
  const params = materialize(gpt(config).spec, 1);
  writeModel(folder, config, params);
  for (const _step of writingOnnx(
    folder,
    config,
    (path) => leafAt(params, path).dataSync(),
    "fp32",
  ));
}

/** The server as a process of its own, and its port. */
async function startServer(folder, engine) {
  const flags = ["--model", folder, "--engine", engine, "--tokenizer", "bytes", "--port", "0"];
  const server = spawn(process.execPath, [MAIN, "serve", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await new Promise((resolve, reject) => {
    server.stdout.once("data", (bytes) => resolve([bytes.toString()]));
    server.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return { server, port: Number(/:(\d+)\s*$/.exec(line)[1]) };
}

/** Milliseconds until the first piece of an answer and until its end, or the error there was instead. */
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
        let [first, told] = [null, ""];
        response.on("data", (bytes) => {
          first ??= performance.now() - start;
          told += bytes;
        });
        response.on("end", () => {
          const isWhole = response.statusCode === 200 && told.endsWith("data: [DONE]\n\n");
          const error = `${response.statusCode} ${told.trim()}`;
          resolve(isWhole ? { first, whole: performance.now() - start } : { error });
        });
        response.on("error", ({ message }) => resolve({ error: message }));
      },
    );
    sent.on("error", ({ message }) => resolve({ error: message }));
    sent.end(body);
  });
}

const megabytesOf = (pid) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;

const quantile = (values, share) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))];

async function load({ server, port }, { clients, seconds, tokens }) {
  const answers = [];
  const memory = [];
  const errors = [];
  const end = performance.now() + 1000 * seconds;
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

async function main(argv) {
  const parsed = parseFlags(program, argv);
  if ("help" in parsed) {
    process.stdout.write(parsed.help);
    return 0;
  }
  const { model, engine, json, ...settings } = parsed.values;
  const folder = mkdtempSync(join(tmpdir(), "tessera-bench-"));
  await writeFiles(folder, model);
  const started = await startServer(folder, engine);
  try {
    const { answers, memory, errors } = await load(started, settings);
    if (answers.length === 0) {
      throw new UserError(`none of ${errors.length} answers came whole; the first: ${errors[0]}`);
    }
    const times = (of) =>
      [0.5, 0.95, 0.99].map((share) =>
        quantile(
          answers.map((a) => a[of]),
          share,
        ),
      );
    const [first, second] = [1, 2].map((thirds) => Math.floor((thirds * memory.length) / 3));
    const [early, late] = [memory.slice(first, second), memory.slice(second)];
    const result = {
      ...settings,
      model,
      engine,
      errors: errors.length,
      answers: answers.length,
      tokensPerSecond: (answers.length * settings.tokens) / settings.seconds,
      firstMs: times("first"),
      wholeMs: times("whole"),
      memoryMb: [quantile(early, 0.5), quantile(late, 0.5)],
    };
    process.stdout.write(told(result));
    if (errors.length > 0) process.stderr.write(`the first error: ${errors[0]}\n`);
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(result, null, 2)}\n`);
    return errors.length === 0 ? 0 : 1;
  } finally {
    started.server.removeAllListeners("exit");
    started.server.kill("SIGINT");
    rmSync(folder, { recursive: true });
  }
}

const milliseconds = (values) => values.map((value) => value.toFixed(0)).join(", ");

function told({ clients, seconds, errors, answers, firstMs, wholeMs, memoryMb, ...of }) {
  return [
    `${of.model} on ${of.engine}: ${clients} clients for ${seconds} s: ${answers} answers, ${errors} errors`,
    `${of.tokensPerSecond.toFixed(0)} tokens/s in all`,
    `first piece after ${milliseconds(firstMs)} ms, whole after ${milliseconds(wholeMs)} ms (50, 95, 99%)`,
    `memory ${memoryMb.map((mb) => mb.toFixed(0)).join(" MB in the middle third, ")} MB in the last`,
    "",
  ].join("\n");
}

export const run = (argv) => endWith("bench", () => main(argv));
