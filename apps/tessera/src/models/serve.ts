// `tessera serve`: a text-generation server for one model.

import { basename, resolve } from "node:path";
import {
  EXIT,
  goOnUnread,
  list,
  number,
  text,
  toggle,
  UserError,
  type FlagValues,
} from "@tessera/config";
import { refused } from "@tessera/config/foreign";
import { readText } from "@tessera/files";
import { createTextServer, readChatTemplate, type TextServer } from "@tessera/generation/server";
import { bind } from "@tessera/launcher";
import { defineCommand } from "../command.js";
import { runInterruptibly } from "../interrupt.js";
import { modelAliases, modelFlags, openForText } from "./open_model.js";

const whole = { min: 1, max: 1e6, whole: true } as const;
const mebibytes = { min: 1, max: 2 ** 20, whole: true } as const;
const seconds = { min: 1, max: 86_400, whole: true } as const;

const serverFlags = {
  host: text("the address to listen on", "ADDRESS", "127.0.0.1"),
  port: number("0 for any that is free", { min: 0, max: 65535, whole: true }, 8000),
  "api-key-file": text("holds the key that clients must send; or TESSERA_API_KEY", "FILE"),
  "served-model-name": list("what requests call the model (default: its folder)", "NAME"),
  "chat-template": text("Jinja template of chats (default: the model's own)", "FILE"),
  "allowed-origins": list("web pages that may ask, as https://example.org; * for all", "ORIGIN"),
  "allowed-hosts": list(
    "names under which it is asked on loopback, beside localhost and addresses",
    "NAME",
  ),
  "drain-seconds": number(
    "after SIGTERM or Ctrl-C: time for requests that were begun",
    { ...seconds, min: 0 },
    25,
  ),
  "access-log": toggle("print a line of JSON about each request", false),
};

const limitFlags = {
  batch: number("texts that are generated together", { ...whole, max: 1024 }, 8),
  "max-waiting": number("texts that may wait; more are answered 429", { ...whole, min: 0 }, 256),
  "max-connections": number("clients at once; idle ones make room", whole, 1024),
  "max-tokens": number("tokens that a request may ask for", whole, 1024),
  "max-prompt-length": number("characters that a prompt may have", whole, 100_000),
  "max-texts": number("texts that a request may ask for", { ...whole, max: 1024 }, 64),
  "max-body-mib": number("MiB of a request", mebibytes, 4),
  "max-memory-mib": number("MiB of all requests and answers under way", mebibytes, 256),
  "idle-seconds": number("time for which a connection may be idle", seconds, 75),
};

const program = {
  name: "tessera serve",
  summary:
    "Serves a model: OpenAI's completions and chat, Megatron's PUT /api, and a page to try prompts.",
  groups: { Model: modelFlags, Server: serverFlags, Limits: limitFlags },
  aliases: modelAliases,
  foreign: {
    "api-key": {
      ...refused("other users could read it; --api-key-file FILE or TESSERA_API_KEY"),
      isSecret: true,
    },
  },
  epilogue: [
    "Without a key it listens on loopback alone. /health says whether it takes requests, /metrics",
    "has figures for Prometheus. A request may shorten the model's name. A second signal ends it at once.",
    "",
    "Example:",
    "  tessera serve --model exported-onnx",
    "  curl localhost:8000/v1/completions -H 'content-type: application/json' \\",
    '    -d \'{"prompt": "To be", "max_tokens": 50, "stream": true}\'',
  ].join("\n"),
} as const;

type ServeFlags = FlagValues<{
  readonly Server: typeof serverFlags;
  readonly Limits: typeof limitFlags;
}>;

export const serveCommand = defineCommand(program, async ({ values }) => {
  goOnUnread();
  const apiKey = readKey(values["api-key-file"], process.env["TESSERA_API_KEY"]);
  if (apiKey === null && !isLoopback(values.host)) {
    throw new UserError(
      `--host ${values.host}: others can reach it; set a key with --api-key-file or TESSERA_API_KEY`,
    );
  }
  for (const origin of values["allowed-origins"]) checkOrigin(origin);
  const { engine, tokenizer, folder } = await openForText(values, values.batch, bind(process.env));
  const [model = basename(resolve(folder)), ...aliases] = values["served-model-name"];
  const server = createTextServer({
    engine,
    tokenizer,
    model,
    aliases,
    chatTemplate: readChatTemplate(folder, values["chat-template"]),
    access: {
      apiKey,
      hosts: isLoopback(values.host) ? values["allowed-hosts"] : null,
      origins: values["allowed-origins"],
    },
    limits: limitsOf(values),
    report: (error) => void process.stderr.write(`tessera serve: ${String(error)}\n`),
    ...(values["access-log"] && {
      log: (record) => {
        const entry = { time: new Date().toISOString(), ...record };
        process.stdout.write(`${JSON.stringify(entry)}\n`);
      },
    }),
  });
  return runInterruptibly(
    async (signal) => {
      await serveUntil(server, values, signal);
      await engine.close();
      return EXIT.done;
    },
    ["SIGTERM"],
  );
});

const limitsOf = (flags: ServeFlags) => ({
  maxWaiting: flags["max-waiting"],
  maxConnections: flags["max-connections"],
  maxTokens: flags["max-tokens"],
  maxPromptLength: flags["max-prompt-length"],
  maxTexts: flags["max-texts"],
  maxBodyBytes: flags["max-body-mib"] * 2 ** 20,
  maxMemoryBytes: flags["max-memory-mib"] * 2 ** 20,
  idleSeconds: flags["idle-seconds"],
});

/** Listens until `signal` is aborted, and lets requests that were begun end. */
function serveUntil(
  server: TextServer,
  { host, port, "drain-seconds": drainSeconds }: ServeFlags,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolveAll, reject) => {
    server.once("error", ({ code }: NodeJS.ErrnoException) =>
      reject(new UserError(`--host ${host} --port ${port}: cannot be listened on (${code})`)),
    );
    const drain = async (): Promise<void> => {
      const cut = await server.drain(drainSeconds);
      if (cut > 0) {
        process.stderr.write(`tessera serve: ${cut} requests were cut after ${drainSeconds} s\n`);
      }
    };
    signal.addEventListener("abort", () => void drain().then(resolveAll, reject));
    server.listen(port, host, () => {
      const address = server.address();
      const actual = typeof address === "object" ? address?.port : port;
      const shown = host.includes(":") ? `[${host}]` : host;
      process.stdout.write(`listening on http://${shown}:${actual}\n`);
    });
  });
}

const isLoopback = (host: string): boolean => /^(127(\.\d+){3}|::1|localhost)$/.test(host);

function checkOrigin(origin: string): void {
  if (origin === "*" || (URL.canParse(origin) && new URL(origin).origin === origin)) return;
  throw new UserError(`--allowed-origins ${origin}: must be as https://example.org, or *`);
}

function readKey(file: string | undefined, environment: string | undefined): string | null {
  if (file === undefined)
    return environment === undefined || environment === "" ? null : environment;
  const key = readText(file, 2 ** 16).trim();
  if (key !== "") return key;
  throw new UserError(`--api-key-file ${file}: is empty`);
}
