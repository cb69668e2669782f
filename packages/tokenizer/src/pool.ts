// Threads that encode side by side; answers come in the order of the tasks.

import { Worker } from "node:worker_threads";
import { UserError } from "@tessera/config";
import type { BpeTokenizer } from "./bpe.js";
import type { EncodedLines, LineOptions, TextOptions } from "./documents.js";
import type { BpeModel } from "./model.js";
import type { EncodeOptions, Tokenizer } from "./tokenizer.js";

/** Bytes are given away: the thread has them from then on. */
export type Task =
  | { readonly kind: "lines"; readonly bytes: Uint8Array; readonly options: LineOptions }
  | {
      readonly kind: "text";
      readonly bytes: Uint8Array;
      readonly options: TextOptions;
    }
  | { readonly kind: "texts"; readonly texts: readonly string[]; readonly options: EncodeOptions };

export type EncodedBatch = EncodedLines;
/** An error loses its class on the way from a thread: a user's mistake is told by its sentence. */
export type Answer =
  { readonly result: EncodedBatch } | { readonly refused: string } | { readonly error: Error };
export interface WorkerStart {
  /** Null for the bytes' own tokenizer. */
  readonly model: BpeModel | null;
}

export interface EncoderPool {
  encode(task: Task): Promise<EncodedBatch>;
  close(): Promise<void>;
}

interface Waiting {
  readonly task: Task;
  readonly resolve: (batch: EncodedBatch) => void;
  readonly reject: (error: Error) => void;
}

/** Tasks that a thread has at once: with the next at hand it waits for nobody. */
const GIVEN = 2;

/** Starts `threads` threads that encode as `tokenizer` does. */
export function encoderPool(tokenizer: Tokenizer | BpeTokenizer, threads: number): EncoderPool {
  const start: WorkerStart = { model: "model" in tokenizer ? tokenizer.model : null };
  const queue: Waiting[] = [];
  const idle: ((next: Waiting) => void)[] = [];
  const workers = Array.from({ length: threads }, () => {
    const worker = new Worker(new URL("./worker.js", import.meta.url), {
      workerData: start,
      execArgv: [],
    });
    const given: Waiting[] = []; // in the order of their answers
    const take = (next: Waiting): void => {
      given.push(next);
      const { task } = next;
      worker.postMessage(task, "bytes" in task ? [task.bytes.buffer as ArrayBuffer] : []);
    };
    const rest = (): void => {
      const next = queue.shift();
      if (next === undefined) idle.push(take);
      else take(next);
    };
    worker.on("message", (reply: Answer) => {
      const done = given.shift()!;
      if ("result" in reply) done.resolve(reply.result);
      else done.reject("refused" in reply ? new UserError(reply.refused) : reply.error);
      rest();
    });
    worker.on("error", (error) => {
      for (const { reject } of [...given.splice(0), ...queue.splice(0)]) reject(error);
    });
    return { worker, rest };
  });
  for (let i = 0; i < GIVEN; i += 1) for (const { rest } of workers) rest();
  return {
    encode: (task) =>
      new Promise((resolve, reject) => {
        const waiting = { task, resolve, reject };
        const next = idle.shift();
        if (next === undefined) queue.push(waiting);
        else next(waiting);
      }),
    async close() {
      await Promise.all(workers.map(({ worker }) => worker.terminate()));
    },
  };
}
