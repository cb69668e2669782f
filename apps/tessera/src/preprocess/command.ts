// `tessera preprocess`: text to an indexed dataset.

import { choice, list, number, text, toggle, UserError } from "@tessera/config";
import { chooseTokenizer, tokenizerFlags } from "../choose_tokenizer.js";
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
    },
    Tokenizer: {
      ...tokenizerFlags,
      "append-eod": toggle("end each document with the id for that", false),
      "split-sentences": toggle("each sentence of a document is a sequence of its own", false),
      special: choice("special tokens in text are", ["text", "allow", "refuse"], "text"),
    },
    Output: {
      "output-prefix": text("PREFIX of PREFIX_text_document.bin and .idx", "PREFIX"),
      workers: number("threads that encode", { min: 1, max: 256, whole: true }, 1),
    },
  },
  epilogue: [
    "A file that ends in .jsonl or .json has a document per line; any other is one document.",
    "",
    "Example:",
    "  tessera preprocess --input corpus.jsonl --output-prefix data/corpus --append-eod --workers 8",
  ].join("\n"),
} as const;

export const preprocessCommand = defineCommand(program, ({ values }) => {
  const prefix = values["output-prefix"];
  if (values.input.length === 0) throw new UserError("--input: name at least one file");
  if (prefix === undefined) throw new UserError("--output-prefix: name the dataset to write");
  const keys = values["json-keys"].length === 0 ? ["text"] : values["json-keys"];
  const tokenizer = chooseTokenizer(values);
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
      special: values.special,
      strict: values.strict,
      signal,
      stream: process.stderr,
    }),
  );
});
