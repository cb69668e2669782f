// `tessera preprocess`: text to an indexed dataset.

import { choice, goOnUnread, list, number, text, toggle, UserError } from "@tessera/config";
import { describeIdle, idle, idleAt, refused } from "@tessera/config/foreign";
import { chooseTokenizer, tokenizerFlags } from "@tessera/tokenizer/flags";
import { defineCommand } from "../command.js";
import { runInterruptibly } from "../interrupt.js";
import { preprocess } from "./preprocess.js";

const program = {
  name: "tessera preprocess",
  summary: "Makes an indexed dataset (.bin and .idx) of JSON lines or plain text.",
  groups: {
    Input: {
      input: list("files to read, in this order", "FILE"),
      "json-keys": list(
        "fields of each line to encode, each into a dataset (default: text)",
        "KEY",
      ),
      format: choice("jsonl or text; by the file's ending where not given", ["jsonl", "text"]),
      strict: toggle("stop at the first line that gives no document", false),
      "max-documents": number("documents to read, from the first on", { min: 1, whole: true }),
    },
    Tokenizer: {
      ...tokenizerFlags("gpt2"),
      "append-eod": toggle("end each document with the id for that", false),
      "add-special-tokens": toggle(
        "put around each document what the tokenizer's file puts there, as that which begins a text",
        true,
      ),
      "split-sentences": toggle("each sentence of a document is a sequence of its own", false),
      special: choice("special tokens in text are", ["text", "allow", "refuse"], "text"),
    },
    Output: {
      "output-prefix": text("PREFIX of PREFIX_text_document.bin and .idx", "PREFIX"),
      workers: number("threads that encode", { min: 1, max: 256, whole: true }, 1),
      "log-interval": number("documents between lines of progress", { min: 1, whole: true }),
    },
  },
  foreign: {
    "dataset-impl": idleAt(["mmap"], "datasets are written as mmap ones"),
    "find-optimal-num-workers": refused("--workers N takes their number; as many as processors"),
    "keep-newlines": idleAt(["true"], "newlines between sentences are always kept"),
    "keep-sequential-samples": idleAt(["true"], "documents are always in the order of the input"),
    lang: idleAt(["english"], "sentences are split as in English, by Unicode's rules"),
    partitions: idle,
    "seq-length": idle,
    "trust-remote-code": idleAt(["false"], "tokenizers are files here; no code is run"),
  },
  epilogue: [
    "A file that ends in .jsonl, .ndjson or .json has a document per line; any other is one document.",
    "Files may be compressed by gzip or zstd (.jsonl.gz, .txt.zst).",
    "",
    "Example:",
    "  tessera preprocess --input corpus.jsonl --output-prefix data/corpus --append-eod --workers 8",
  ].join("\n"),
} as const;

export const preprocessCommand = defineCommand(program, ({ values, idle: unused }) => {
  for (const line of describeIdle(unused)) process.stderr.write(`${line}\n`);
  goOnUnread();
  const prefix = values["output-prefix"];
  if (values.input.length === 0) throw new UserError("--input: name at least one file");
  if (prefix === undefined) throw new UserError("--output-prefix: name the dataset to write");
  const keys = values["json-keys"].length === 0 ? ["text"] : values["json-keys"];
  const tokenizer = chooseTokenizer(values, "gpt2");
  if (values["append-eod"] && tokenizer.endOfText === null) {
    throw new UserError(`--append-eod: tokenizer ${tokenizer.name} has no id that ends a document`);
  }
  return runInterruptibly((signal) =>
    preprocess({
      inputs: values.input,
      format: values.format,
      keys,
      prefix,
      tokenizer,
      workers: values.workers,
      appendEnd: values["append-eod"],
      splitSentences: values["split-sentences"],
      addSpecialTokens: values["add-special-tokens"],
      special: values.special,
      strict: values.strict,
      signal,
      maxDocuments: values["max-documents"] ?? Infinity,
      logInterval: values["log-interval"] ?? Infinity,
      stream: process.stderr,
    }),
  );
});
