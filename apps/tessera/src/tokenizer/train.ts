// `tessera tokenizer train`: trains a vocabulary on text.

import { dirname } from "node:path";
import { EXIT, goOnUnread, list, number, text, UserError, type FlagValues } from "@tessera/config";
import { makeFolder, statPath, writeError } from "@tessera/files";
import { findFault, kindOfCorpus, parseDocument } from "@tessera/files/corpus";
import { tokenCount, writeTokenizerJson } from "@tessera/tokenizer";
import { readChunks, splitAfterLine } from "@tessera/tokenizer/batch";
import { countWords, trainBpe } from "@tessera/tokenizer/train";
import { defineCommand } from "../command.js";
import { startProgress } from "../progress.js";

const program = {
  name: "tessera tokenizer train",
  summary: "Trains a vocabulary on text.",
  operands: [
    {
      name: "FILE",
      help: "plain text, or JSON lines (.jsonl) with a text each; .gz and .zst too",
      many: true,
    },
  ],
  groups: {
    Vocabulary: {
      "vocab-size": number(
        "ids, with special tokens and bytes",
        { min: 257, max: 2 ** 20, whole: true },
        32_000,
      ),
      "special-tokens": list("they have the first ids (default: <|endoftext|>)", "TOKEN"),
      "min-frequency": number("rarer pairs are not merged", { min: 1, whole: true }, 2),
    },
    Output: { output: text("the file to write", "FILE", "tokenizer.json") },
  },
} as const;

export const trainCommand = defineCommand(program, async ({ values, operands }) => {
  goOnUnread();
  try {
    makeFolder(dirname(values.output));
  } catch (error) {
    throw writeError(values.output, error);
  }
  await train(operands, values);
  return EXIT.done;
});

type TrainFlags = FlagValues<(typeof program)["groups"]>;

async function train(paths: readonly string[], flags: TrainFlags): Promise<void> {
  const began = performance.now();
  const total = paths.reduce((sum, path) => sum + (statPath(path)?.size ?? 0), 0);
  const reading = startProgress({ stream: process.stderr, total, scale: 1e6, unit: "MB" });
  const words = countWords();
  let bytes = 0;
  let done = 0;
  for (const path of paths) {
    for await (const { texts, read } of readTrainingTexts(path)) {
      for (const text of texts) {
        words.add(text);
        bytes += text.length;
      }
      done += read;
      reading.update(done);
    }
  }
  reading.end();
  if (words.size === 0) throw new UserError(`${paths.join(" ")}: there is no text to learn from`);
  const size = flags["vocab-size"];
  const merging = startProgress({ stream: process.stderr, total: size, scale: 1, unit: "tokens" });
  const specials = flags["special-tokens"];
  const model = trainBpe(words, {
    vocabularySize: size,
    minFrequency: flags["min-frequency"],
    ...(specials.length > 0 && { specials }),
    progress: (done) => merging.update(done),
  });
  merging.end();
  writeTokenizerJson(flags.output, model);
  const seconds = (performance.now() - began) / 1000;
  process.stderr.write(
    `${flags.output}: ${tokenCount(model.tokens)} ids, ${model.merges.length / 3} merges of ` +
      `${(bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s\n`,
  );
}

/** The texts in a file: parts of one, or the documents in JSON lines. Throws a UserError for what is neither. */
async function* readTrainingTexts(
  path: string,
): AsyncGenerator<{ readonly texts: readonly Uint8Array[]; readonly read: number }> {
  const isText = kindOfCorpus(path) === "text";
  let line = 0;
  for await (const { bytes, read } of readChunks(path, isText ? undefined : splitAfterLine)) {
    const fault = findFault(bytes);
    if (fault !== undefined) throw new UserError(`${path}: ${fault}`);
    if (isText) {
      yield { texts: [bytes], read };
      continue;
    }
    const lines = Buffer.from(bytes).toString("utf8").split("\n");
    const texts = lines.flatMap((one, i) => {
      if (one.trim() === "") return [];
      const found = parseDocument(one, ["text"]);
      if (typeof found !== "string") return found.map((text) => Buffer.from(text));
      throw new UserError(`${path}: line ${line + i + 1} ${found}`);
    });
    line += lines.length - 1;
    yield { texts, read };
  }
}
