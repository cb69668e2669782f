// Clients that mean a server harm, each kind with its own way, and a seed that says what it does and when.

import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { mutate, type RandomNumber } from "@tessera/testing";

interface Attack {
  readonly socket: Socket;
  readonly draw: RandomNumber;
  /** A number from 0 up to, and without, `limit`. */
  readonly below: (limit: number) => number;
}

const PATHS = ["/v1/completions", "/v1/chat/completions", "/v1/models", "/health", "/metrics", "/"];
const WORDS = [
  "\r\n",
  "\r\n\r\n",
  "chunked",
  "Content-Length: 9",
  "HTTP/9.9",
  "null",
  '{"',
  "[[[[",
];

function bytesOf(path: string, body: unknown, headers = ""): Buffer {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(text)}\r\n${headers}\r\n${text}`,
  );
}

/** A request that the server takes, of some length. */
function goodBytes({ below }: Attack): Buffer {
  const chat = { messages: [{ role: "user", content: "x".repeat(below(20)) }] };
  const asked = { max_tokens: 1 + below(40), stream: below(2) === 0, seed: below(9) };
  return below(4) === 0
    ? bytesOf("/v1/chat/completions", { ...chat, ...asked })
    : bytesOf("/v1/completions", { prompt: "a".repeat(1 + below(20)), ...asked });
}

const oddBody = ({ below }: Attack): unknown =>
  [
    "[".repeat(1 + below(60_000)),
    "[],".repeat(1 + below(60_000)),
    { prompt: Array.from({ length: below(2000) }, () => below(1e6)) },
    { prompt: "a", n: 2 ** 31, best_of: 1e9 },
    { prompt: "", temperature: "hot" },
    { prompt: "a".repeat(200_000) },
    { prompt: "a", logit_bias: Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [i, 1])) },
    { prompt: "a", stop: Array(1000).fill("a"), [`__proto__`]: 1 },
    '{"prompt": "\\ud800", "max_tokens": 1e999}',
  ][below(9)];

/** Sends `bytes` in small pieces, with pauses. */
async function trickle({ socket, below }: Attack, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length && !socket.destroyed;) {
    const size = 1 + below(9);
    socket.write(bytes.subarray(at, at + size));
    at += size;
    await sleep(50 + below(400));
  }
}

type Act = (attack: Attack) => Promise<unknown>;

/** What clients do; each then leaves, or waits a while until it is left. */
const kinds: Readonly<Record<string, Act>> = {
  silent: ({ below }) => sleep(below(15_000)),
  slow: (attack) => trickle(attack, goodBytes(attack)),
  async pipelined(attack) {
    const count = 1 + attack.below(60);
    const bytes = Array.from({ length: count }, () =>
      attack.below(5) === 0 ? bytesOf("/v1/completions", oddBody(attack)) : goodBytes(attack),
    );
    attack.socket.write(Buffer.concat(bytes));
    await sleep(attack.below(2000));
  },
  async flooding({ socket, below }) {
    socket.write("GET /health HTTP/1.1\r\nhost: a\r\n\r\n".repeat(below(5000)));
    await sleep(below(1000));
  },
  async cut(attack) {
    const bytes = goodBytes(attack);
    attack.socket.write(bytes.subarray(0, attack.below(bytes.length + 1)));
    await sleep(attack.below(300));
  },
  async halved(attack) {
    attack.socket.end(goodBytes(attack));
    await sleep(attack.below(500));
  },
  async deaf(attack) {
    attack.socket.pause();
    const asked = { prompt: "a", max_tokens: 60, stream: true, logprobs: 5, echo: true };
    attack.socket.write(bytesOf("/v1/completions", asked).toString().repeat(30));
    await sleep(attack.below(5000));
  },
  async oversized({ socket, below }) {
    const about = below(2) === 0 ? "content-length: 99999999999" : "transfer-encoding: chunked";
    socket.write(
      `POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n${about}\r\n\r\n`,
    );
    const piece = Buffer.alloc(2 ** 16, " ");
    for (let count = below(200); count > 0 && !socket.destroyed; count -= 1) {
      if (about.startsWith("t")) socket.write(`${piece.length.toString(16)}\r\n`);
      socket.write(about.startsWith("t") ? Buffer.concat([piece, Buffer.from("\r\n")]) : piece);
      await sleep(5);
    }
  },
  async headers({ socket, below }) {
    const lines = Array.from({ length: below(3000) }, (_, i) => `x-${i}: ${"y".repeat(below(40))}`);
    socket.write(`GET / HTTP/1.1\r\nhost: a\r\n${lines.join("\r\n")}\r\n\r\n`);
    await sleep(below(300));
  },
  async odd(attack) {
    attack.socket.write(bytesOf(PATHS[attack.below(PATHS.length)]!, oddBody(attack)));
    await sleep(attack.below(500));
  },
  async malformed(attack) {
    const { socket, draw, below } = attack;
    for (let count = 1 + below(5); count > 0; count -= 1) {
      socket.write(mutate(goodBytes(attack), draw, { head: 150, words: WORDS }));
    }
    await sleep(below(500));
  },
  async noise({ socket, below }) {
    socket.write(Buffer.from(Array.from({ length: below(2000) }, () => below(256))));
    await sleep(below(300));
  },
};

export const kindsOfAttacks = Object.keys(kinds);

/** Attacks the server at `port` once, as number `turn` of all attacks. Resolves with the kind when it has left. */
export async function attackOnce(port: number, turn: number, draw: RandomNumber): Promise<string> {
  const below = (limit: number): number => Math.floor(limit * draw());
  const kind = kindsOfAttacks[turn % kindsOfAttacks.length]!;
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined); // it is cut off, as it should be
  socket.on("data", () => undefined);
  await kinds[kind]!({ socket, draw, below });
  socket.destroy();
  return kind;
}
