// The server of a test, and what tests ask it.

import { afterEach, expect } from "@jest/globals";
import type { TextServerOptions } from "../server/text_server.js";
import { openRaw, post } from "./ask.js";
import { startServer, type StartedServer } from "./letters.js";

/** Log-probabilities of a completion. */
export interface Logprobs {
  readonly tokens: readonly string[];
  readonly token_logprobs: readonly (number | null)[];
  readonly top_logprobs: readonly (Readonly<Record<string, number>> | null)[];
  readonly text_offset: readonly number[];
}

/** An answer of /v1/completions, or an event of a stream. */
export interface Completion {
  readonly choices: readonly {
    readonly index: number;
    readonly text: string;
    readonly logprobs: Logprobs | null;
    readonly finish_reason: string | null;
  }[];
  readonly usage: object | null;
}

/**
 * For each test of a file, a server that it starts, and that is stopped after it. It must have reported nothing but
 * what the test took from `reported`.
 */
export function useServer() {
  let started: StartedServer | undefined;
  const current = (): StartedServer => {
    if (started === undefined) throw new Error("no server was started");
    return started;
  };
  afterEach(async () => {
    await started?.stop();
    const reported = started?.reported.splice(0) ?? [];
    started = undefined;
    expect(reported).toEqual([]);
  });
  const ask = (body: unknown, init: RequestInit = {}): Promise<Response> =>
    post(`${current().address}/v1/completions`, body, init);
  const complete = async (body: unknown): Promise<Completion> => {
    const response = await ask(body);
    const answer = (await response.json()) as Completion;
    expect({ status: response.status, answer }).toMatchObject({ status: 200 });
    return answer;
  };
  const health = async () =>
    (await (await fetch(`${current().address}/health`)).json()) as {
      readonly running: number;
      readonly waiting: number;
    };
  return {
    current,
    ask,
    get: (path: string, init: RequestInit = {}): Promise<Response> =>
      fetch(current().address + path, init),
    /** Sends bytes on a connection of their own, and waits for the head of the answer. */
    sendRaw: async (bytes: string | Uint8Array) => {
      const raw = openRaw(current().port, bytes);
      const [, status] = await raw.until(/HTTP\/1\.1 (\d+)[^]*\r\n\r\n/);
      return { ...raw, status: Number(status) };
    },
    complete,
    health,
    start: async (changes: Partial<TextServerOptions> = {}): Promise<void> => {
      started = await startServer(changes);
    },
    textsOf: async (body: unknown): Promise<readonly string[]> =>
      (await complete(body)).choices.map(({ text }) => text),
    untilRunning: async (count = 1): Promise<void> => {
      while ((await health()).running < count);
    },
    /** Until nobody is served. A place that is never given back ends at the limit of the test. */
    untilIdle: async (): Promise<void> => {
      for (;;) {
        const { running, waiting } = await health();
        if (running + waiting === 0) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
  };
}
