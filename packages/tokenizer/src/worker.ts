// A thread that encodes. It makes its own tokenizer from the model that it is sent.

import { parentPort, workerData } from "node:worker_threads";
import { UserError } from "@tessera/config";
import { bpeTokenizer } from "./bpe.js";
import { byteTokenizer } from "./bytes.js";
import { encodeLines, encodeText, encodeTexts, type EncodedDocuments } from "./documents.js";
import type { EncodedBatch, Task, Answer, WorkerStart } from "./pool.js";

const { model } = workerData as WorkerStart;
const tokenizer = model === null ? byteTokenizer : bpeTokenizer(model);

function answer(task: Task): EncodedBatch {
  switch (task.kind) {
    case "lines":
      return encodeLines(tokenizer, task.bytes, task.options);
    case "text":
      return alone(encodeText(tokenizer, task.bytes, task.options));
    case "texts":
      return alone(encodeTexts(tokenizer, task.texts, task.options));
  }
}

const alone = (documents: EncodedDocuments): EncodedBatch => ({
  documents: [documents],
  faults: [],
  lines: 0,
});

parentPort!.on("message", (task: Task) => {
  let reply: Answer;
  try {
    reply = { result: answer(task) };
  } catch (error) {
    const isRefusal = error instanceof UserError;
    reply = isRefusal ? { refused: error.message } : { error: error as Error };
  }
  const memory =
    "result" in reply
      ? reply.result.documents.flatMap(({ ids, lengths }) => [ids.buffer, lengths.buffer])
      : [];
  parentPort!.postMessage(reply, memory as ArrayBuffer[]);
});
