// A server between good clients and hostile ones: what became of the good ones' requests, and of its memory.

import { Agent, request } from "node:http";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "@tessera/testing";
import { attackOnce } from "./hostile_clients.js";

export interface SeriesOptions {
  readonly port: number;
  /** The server's process. */
  readonly pid: number;
  readonly seconds: number;
  readonly goodClients: number;
  /** Connections of hostile clients in all. */
  readonly attacks: number;
  readonly seed: number;
}

export interface SeriesResult {
  /** Requests of good clients that had their right answer, and what the others had instead. */
  readonly answered: number;
  readonly failures: readonly string[];
  /** Milliseconds to an answer: the median and the longest. */
  readonly latency: { readonly median: number; readonly longest: number };
  /** How many attacks of each kind there were. */
  readonly attacks: Readonly<Record<string, number>>;
  /** MiB of the server, twice a second. */
  readonly memory: readonly number[];
}

/** An answer's status and text. */
const ask = (agent: Agent, port: number, body: string): Promise<string> =>
  new Promise((resolve) => {
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    };
    const options = {
      agent,
      port,
      host: "127.0.0.1",
      path: "/v1/completions",
      method: "POST",
      headers,
    };
    const sent = request(options, (response) => {
      let text = "";
      response.on("data", (bytes) => {
        text += String(bytes);
      });
      response.on("error", ({ message }) => resolve(message));
      response.on("end", () => resolve(`${response.statusCode} ${text}`));
    });
    sent.on("error", ({ message }) => resolve(message));
    sent.end(body);
  });

/** The text in an answer, whole or streamed; undefined where it is not whole. */
function textIn(answer: string): string | undefined {
  if (!answer.startsWith("200 ")) return undefined;
  if (answer.startsWith("200 data:") && !answer.endsWith("data: [DONE]\n\n")) return undefined;
  return [...answer.matchAll(/"text":("(?:[^"\\]|\\.)*")/g)]
    .map(([, text]) => JSON.parse(text!) as string)
    .join("");
}

const memoryOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

export async function runSeries(options: SeriesOptions): Promise<SeriesResult> {
  const { port, pid, seconds, goodClients, attacks, seed } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: goodClients });
  const end = performance.now() + 1000 * seconds;
  const failures: string[] = [];
  const latencies: number[] = [];
  const expected = new Map<number, string | undefined>();
  const bodyOf = (which: number, stream: boolean): string =>
    JSON.stringify({
      prompt: "To be ".slice(0, 1 + (which % 6)),
      seed: which,
      max_tokens: 12,
      stream,
    });
  for (let which = 0; which < 24; which += 1) {
    expected.set(which, textIn(await ask(agent, port, bodyOf(which, false))));
  }
  const good = Array.from({ length: goodClients }, async (_, client) => {
    for (let turn = 0; performance.now() < end; turn += 1) {
      const which = (client * 7 + turn) % 24;
      const start = performance.now();
      const answer = await ask(agent, port, bodyOf(which, turn % 2 === 0));
      latencies.push(performance.now() - start);
      const text = textIn(answer);
      if (text === undefined || text !== expected.get(which)) failures.push(answer.slice(0, 300));
      await sleep(20);
    }
  });
  const counts: Record<string, number> = {};
  const bad = Array.from({ length: attacks }, async (_, i) => {
    await sleep((1000 * seconds * i) / attacks);
    const kind = await attackOnce(port, i, seededRandom(1e6 * seed + 7919 * i));
    counts[kind] = (counts[kind] ?? 0) + 1;
  });
  const memory: number[] = [];
  while (performance.now() < end) {
    memory.push(memoryOf(pid));
    await sleep(500);
  }
  await Promise.all([...good, ...bad]);
  agent.destroy();
  latencies.sort((a, b) => a - b);
  return {
    answered: latencies.length - failures.length,
    failures,
    latency: { median: latencies[latencies.length >> 1]!, longest: latencies.at(-1)! },
    attacks: counts,
    memory,
  };
}
