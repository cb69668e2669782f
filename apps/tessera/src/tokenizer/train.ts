// `tessera tokenizer train`: trains a vocabulary on text.

import { statSync } from "node:fs";
import { EXIT, list, number, text, UserError, type FlagValues } from "@tessera/config";
import { tokenCount, writeTokenizerJson } from "@tessera/tokenizer";
import { readChunks } from "@tessera/tokenizer/batch";
import { countWords, trainBpe } from "@tessera/tokenizer/train";
import { defineCommand } from "../command.js";
import { startProgress } from "../progress.js";

const program = {
  name: "tessera tokenizer train",
  summary: "Trains a vocabulary on text.",
  operands: [{ name: "FILE", help: "plain text", many: true }],
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

export const trainCommand = defineCommand(program, ({ values, operands }) => {
  for (const path of operands) {
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) {
      throw new UserError(`${path}: there is no such file`);
    }
  }
  train(operands, values);
  return EXIT.done;
});

type TrainFlags = FlagValues<(typeof program)["groups"]>;

function train(paths: readonly string[], flags: TrainFlags): void {
  const began = performance.now();
  const total = paths.reduce((sum, path) => sum + statSync(path).size, 0);
  const reading = startProgress({ stream: process.stderr, total, scale: 1e6, unit: "MB" });
  const words = countWords();
  let bytes = 0;
  for (const path of paths) {
    for (const chunk of readChunks(path)) {
      words.add(chunk);
      bytes += chunk.length;
      reading.update(bytes);
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
