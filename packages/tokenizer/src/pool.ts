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
export type Answer = { readonly result: EncodedBatch } | { readonly error: Error };
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
    let current: Waiting | undefined;
    const take = (next: Waiting): void => {
      current = next;
      const { task } = next;
      worker.postMessage(task, "bytes" in task ? [task.bytes.buffer as ArrayBuffer] : []);
    };
    const rest = (): void => {
      const next = queue.shift();
      if (next === undefined) idle.push(take);
      else take(next);
    };
    worker.on("message", (reply: Answer) => {
      const done = current!;
      current = undefined;
      if ("result" in reply) done.resolve(reply.result);
      else done.reject(asThrown(reply.error));
      rest();
    });
    worker.on("error", (error) => {
      current?.reject(error);
      for (const { reject } of queue.splice(0)) reject(error);
    });
    rest();
    return worker;
  });
  return {
    encode: (task) =>
      new Promise((resolve, reject) => {
        const waiting = { task, resolve, reject };
        const next = idle.pop();
        if (next === undefined) queue.push(waiting);
        else next(waiting);
      }),
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

/** Errors lose their class on the way from a thread; a user's mistake keeps its name. */
const asThrown = (error: Error): Error =>
  error.name === "UserError" ? new UserError(error.message) : error;
