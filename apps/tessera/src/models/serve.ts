// `tessera serve`: a text-generation server for one model.

import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { EXIT, number, text, UserError } from "@tessera/config";
import { createTextServer } from "@tessera/generation";
import { defineCommand } from "../command.js";
import { runInterruptibly } from "../interrupt.js";
import { modelFlags, openForText } from "./open_model.js";

const whole = { min: 1, max: 1e6, whole: true } as const;

const program = {
  name: "tessera serve",
  summary:
    "Serves a model: OpenAI's /v1/completions, Megatron's PUT /api, and a page to try prompts.",
  groups: {
    Model: modelFlags,
    Server: {
      host: text("the address to listen on", "ADDRESS", "127.0.0.1"),
      port: number("0 for any that is free", { min: 0, max: 65535, whole: true }, 8000),
      "api-key-file": text("holds the key that clients must send; or TESSERA_API_KEY", "FILE"),
    },
    Limits: {
      batch: number("texts that are generated together", { ...whole, max: 1024 }, 8),
      "max-waiting": number(
        "texts that may wait; more are answered 429",
        { ...whole, min: 0 },
        256,
      ),
      "max-connections": number("clients at once", whole, 1024),
      "max-tokens": number("tokens that a request may ask for", whole, 1024),
      "max-prompt-length": number("characters that a prompt may have", whole, 100_000),
      "max-texts": number("texts that a request may ask for", { ...whole, max: 1024 }, 64),
    },
  },
  epilogue: [
    "Without a key it listens on loopback alone.",
    "",
    "Example:",
    "  tessera serve --model exported-onnx",
    "  curl localhost:8000/v1/completions -H 'content-type: application/json' \\",
    '    -d \'{"prompt": "To be", "max_tokens": 50, "stream": true}\'',
  ].join("\n"),
} as const;

export const serveCommand = defineCommand(program, async ({ values }) => {
  const apiKey = readKey(values["api-key-file"], process.env["TESSERA_API_KEY"]);
  if (apiKey === null && !isLoopback(values.host)) {
    throw new UserError(
      `--host ${values.host}: others can reach it; set a key with --api-key-file or TESSERA_API_KEY`,
    );
  }
  const { engine, tokenizer, folder } = await openForText(values, values.batch, process.env);
  const server = createTextServer({
    engine,
    tokenizer,
    apiKey,
    model: basename(resolve(folder)),
    limits: {
      maxWaiting: values["max-waiting"],
      maxConnections: values["max-connections"],
      maxTokens: values["max-tokens"],
      maxPromptLength: values["max-prompt-length"],
      maxTexts: values["max-texts"],
    },
    report: (error) => void process.stderr.write(`tessera serve: ${String(error)}\n`),
  });
  return runInterruptibly(async (signal) => {
    await untilAborted(server, values, signal);
    await engine.close();
    return EXIT.done;
  });
});

/** Listens until `signal` is aborted, and lets no connection outlive that. */
function untilAborted(
  server: ReturnType<typeof createTextServer>,
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolveAll, reject) => {
    server.once("error", ({ code }: NodeJS.ErrnoException) =>
      reject(new UserError(`--host ${host} --port ${port}: cannot be listened on (${code})`)),
    );
    server.once("close", () => resolveAll());
    signal.addEventListener("abort", () => {
      server.close();
      server.closeAllConnections();
    });
    server.listen(port, host, () => {
      const address = server.address();
      const actual = typeof address === "object" ? address?.port : port;
      const shown = host.includes(":") ? `[${host}]` : host;
      process.stdout.write(`listening on http://${shown}:${actual}\n`);
    });
  });
}

const isLoopback = (host: string): boolean => /^(127(\.\d+){3}|::1|localhost)$/.test(host);

function readKey(file: string | undefined, environment: string | undefined): string | null {
  if (file === undefined)
    return environment === undefined || environment === "" ? null : environment;
  try {
    const key = readFileSync(file, "utf8").trim();
    if (key !== "") return key;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(`--api-key-file ${file}: cannot be read (${code})`);
  }
  throw new UserError(`--api-key-file ${file}: is empty`);
}
