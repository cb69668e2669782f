// Requests to the server, whose engine takes no time.

import { once } from "node:events";
import { Agent, request } from "node:http";
import type { AddressInfo } from "node:net";
import { UserError } from "@tessera/config";
import type { Engine } from "@tessera/generation";
import { createTextServer } from "@tessera/generation/server";
import { mutateJson } from "@tessera/testing";
import { byteTokenizer } from "@tessera/tokenizer";
import type { Target } from "./series.js";

/** Says "a" again and again. */
const engine: Engine = {
  name: "native",
  vocabularySize: 256,
  maxPositions: 64,
  rows: 2,
  run: ({ lengths, keep }) => {
    const logits = new Float32Array(lengths.length * keep * 256);
    for (let row = 0; row < lengths.length * keep; row += 1) logits[256 * row + 97] = 9;
    return Promise.resolve(logits);
  },
  copyRow: () => undefined,
  close: () => Promise.resolve(),
};

const BODIES: readonly (readonly [path: string, body: object])[] = [
  [
    "/v1/completions",
    {
      ...{ model: "letters", prompt: ["ab", "c"], max_tokens: 3, temperature: 0.5, top_p: 0.9 },
      ...{ n: 1, stop: ["x"], seed: 1, echo: true, logprobs: 1, presence_penalty: 0.1 },
      ...{ logit_bias: { "5": 1 }, user: "x", stream: false, best_of: 1 },
    },
  ],
  ["/v1/completions", { model: "letters", prompt: [[1, 2], [3]], max_tokens: 1, top_k: 3 }],
  [
    "/v1/chat/completions",
    {
      ...{ model: "letters", messages: [{ role: "user", content: "hi" }], max_tokens: 2 },
      ...{ logprobs: true, top_logprobs: 2, stream: true, stream_options: { include_usage: true } },
    },
  ],
  ["/api", { prompts: ["ab"], tokens_to_generate: 2, top_k: 1, logprobs: true }],
];

interface StartedRequests {
  readonly target: Target;
  stop(): Promise<void>;
}

/** Starts a server for a series. It must be stopped. */
export async function startRequests(): Promise<StartedRequests> {
  const failures: unknown[] = [];
  const server = createTextServer({
    engine,
    tokenizer: byteTokenizer,
    model: "letters",
    limits: { maxTokens: 4, maxTexts: 4, maxWaiting: 8, maxBodyBytes: 2 ** 16, maxConnections: 8 },
    report: (error) => void failures.push(error),
  } as Parameters<typeof createTextServer>[0]);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (path: string, body: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const method = path === "/api" ? "PUT" : "POST";
      const headers = {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
      };
      const sent = request({ port, path, method, agent, headers }, (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode!));
        response.on("error", reject);
      });
      sent.on("error", reject);
      sent.end(body);
    });
  return {
    target: {
      name: "requests",
      share: 8,
      async read(draw) {
        const [path, body] = BODIES[Math.floor(BODIES.length * draw())]!;
        const status = await ask(path, mutateJson(body, draw, ["letters", "user", "stop"]));
        const [failure] = failures.splice(0);
        if (failure !== undefined || status >= 500) {
          throw new Error(`${path}: status ${status}`, { cause: failure });
        }
        if (status >= 400) throw new UserError(`status ${status}`);
      },
    },
    async stop() {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
