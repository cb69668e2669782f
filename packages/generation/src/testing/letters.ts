// A model whose texts are known, for tests of what is around it.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { byteTokenizer } from "@tessera/tokenizer";
import type { Engine } from "../engine.js";
import {
  createTextServer,
  type TextServer,
  type TextServerOptions,
} from "../server/text_server.js";

/** What the letters engine does at each step, and how large it is. */
export interface LettersOptions {
  readonly rows?: number;
  readonly maxPositions?: number;
  /** Logit of the next letter; that of others is 0. Default: 50. */
  readonly peak?: number;
  /** Called at each step; the engine fails with what it throws. */
  readonly atStep?: () => unknown;
}

/**
 * Continues every text with the next letter of the alphabet, likeliest by far, and takes a turn of the event loop for a
 * step. After "z" comes "a".
 */
export function lettersEngine({
  rows = 2,
  maxPositions = 10_000,
  peak = 50,
  atStep = () => undefined,
}: LettersOptions = {}): Engine {
  return {
    name: "native",
    vocabularySize: 256,
    maxPositions,
    rows,
    async run({ lengths, ids, keep }) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await atStep();
      const [batch, time] = [lengths.length, ids.length / lengths.length];
      const logits = new Float32Array(batch * keep * 256);
      for (let row = 0; row < batch; row += 1) {
        for (let i = 0; i < keep; i += 1) {
          const id = ids[(row + 1) * time - keep + i]!;
          logits[(row * keep + i) * 256 + (id === 122 ? 97 : id + 1)] = peak;
        }
      }
      return logits;
    },
    copyRow: () => undefined,
    close: () => Promise.resolve(),
  };
}

/** A letters engine whose steps wait until `release` is called. */
export function heldEngine(rows: number) {
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  return { engine: lettersEngine({ rows, atStep: () => gate }), release: (): void => release() };
}

export const letterLimits = {
  maxTokens: 2000,
  maxTexts: 8,
  maxPromptLength: 1000,
  maxBodyBytes: 2 ** 16,
  maxWaiting: 100,
  maxConnections: 200,
};

/** A server that listens, and what it reported. */
export interface StartedServer {
  readonly server: TextServer;
  readonly port: number;
  readonly address: string;
  readonly reported: unknown[];
  stop(): Promise<void>;
}

/** Starts a server on a free port of this machine. */
export async function startServer(
  changes: Partial<TextServerOptions> = {},
): Promise<StartedServer> {
  const reported: unknown[] = [];
  const server = createTextServer({
    engine: lettersEngine(),
    tokenizer: byteTokenizer,
    model: "letters",
    limits: letterLimits,
    report: (error) => void reported.push(error),
    ...changes,
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    server,
    port,
    address: `http://127.0.0.1:${port}`,
    reported,
    async stop() {
      if (!server.listening) return;
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
