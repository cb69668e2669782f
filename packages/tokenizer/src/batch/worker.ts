// A thread that encodes. It builds its tokenizer from the model that it is sent.

import { parentPort, workerData } from "node:worker_threads";
import { UserError } from "@tessera/config";
import { bpeTokenizer } from "../bpe/bpe_tokenizer.js";
import { byteTokenizer } from "../byte_tokenizer.js";
import { encodeLines, encodeText, encodeTexts, type EncodedDocuments } from "./documents.js";
import type { EncodedBatch, EncodeTask, WorkerAnswer, WorkerStart } from "./pool.js";

const { model } = workerData as WorkerStart;
const tokenizer = model === null ? byteTokenizer : bpeTokenizer(model);

function answer(task: EncodeTask): EncodedBatch {
  switch (task.kind) {
    case "lines":
      return encodeLines(tokenizer, task.bytes, task.options);
    case "text":
      return toBatch(encodeText(tokenizer, task.bytes, task.options));
    case "texts":
      return toBatch(encodeTexts(tokenizer, task.texts, task.options));
  }
}

const toBatch = (documents: EncodedDocuments): EncodedBatch => ({
  documents: [documents],
  errors: [],
  lines: 0,
});

parentPort!.on("message", (task: EncodeTask) => {
  let reply: WorkerAnswer;
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
