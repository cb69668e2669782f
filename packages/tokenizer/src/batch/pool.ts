// A pool of threads that encode; each answers in the order of its tasks.

import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import { UserError } from "@tessera/config";
import type { BpeTokenizer } from "../bpe/bpe_tokenizer.js";
import type { EncodedLines, LineOptions, TextOptions } from "./documents.js";
import type { BpeModel } from "../bpe/model.js";
import type { EncodeOptions, Tokenizer } from "../tokenizer.js";

/** Work for a thread. Its bytes are transferred: the caller cannot use them afterwards. */
export type EncodeTask =
  | { readonly kind: "lines"; readonly bytes: Uint8Array; readonly options: LineOptions }
  | {
      readonly kind: "text";
      readonly bytes: Uint8Array;
      readonly options: TextOptions;
    }
  | { readonly kind: "texts"; readonly texts: readonly string[]; readonly options: EncodeOptions };

/** The result of a task. */
export type EncodedBatch = EncodedLines;
/** An error loses its class on the way from a thread: a UserError is sent as its message. */
export type WorkerAnswer =
  { readonly result: EncodedBatch } | { readonly refused: string } | { readonly error: Error };
export interface WorkerStart {
  /** Null for `byteTokenizer`. */
  readonly model: BpeModel | null;
}

/** Threads that encode. */
export interface EncoderPool {
  /** Rejects with a UserError for a special token that `special` refuses. */
  encode(task: EncodeTask): Promise<EncodedBatch>;
  close(): Promise<void>;
}

interface PendingTask {
  readonly task: EncodeTask;
  readonly resolve: (batch: EncodedBatch) => void;
  readonly reject: (error: Error) => void;
}

/** Tasks that a thread has at once: it never waits for the next. */
const TASKS_PER_THREAD = 2;

/** Starts `threads` threads that encode as `tokenizer` does. */
export function createEncoderPool(
  tokenizer: Tokenizer | BpeTokenizer,
  threads: number,
): EncoderPool {
  // V8 optimizes a thread's code on others. In Node 20 one of these may outlive the thread, and then ends the process by
  // an assertion ("data.first"), after all is done. Threads that start after this optimize on their own.
  setFlagsFromString("--no-concurrent-recompilation");
  const start: WorkerStart = { model: "model" in tokenizer ? tokenizer.model : null };
  const queue: PendingTask[] = [];
  const idle: ((next: PendingTask) => void)[] = [];
  const workers = Array.from({ length: threads }, () => {
    const worker = new Worker(new URL("./worker.js", import.meta.url), {
      workerData: start,
      execArgv: [],
    });
    const given: PendingTask[] = []; // in the order of their answers
    const take = (next: PendingTask): void => {
      given.push(next);
      const { task } = next;
      worker.postMessage(task, "bytes" in task ? [task.bytes.buffer as ArrayBuffer] : []);
    };
    const takeNext = (): void => {
      const next = queue.shift();
      if (next === undefined) idle.push(take);
      else take(next);
    };
    worker.on("message", (reply: WorkerAnswer) => {
      const done = given.shift()!;
      if ("result" in reply) done.resolve(reply.result);
      else done.reject("refused" in reply ? new UserError(reply.refused) : reply.error);
      takeNext();
    });
    worker.on("error", (error) => {
      for (const { reject } of [...given.splice(0), ...queue.splice(0)]) reject(error);
    });
    return { worker, takeNext };
  });
  for (let i = 0; i < TASKS_PER_THREAD; i += 1) for (const { takeNext } of workers) takeNext();
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
