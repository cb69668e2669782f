// The commands of the example scripts of Megatron-DeepSpeed and Megatron-LM, as those build them, with paths shortened:
// those of dense GPT and Llama models resolve, the others are refused by what is not here.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { resolveLine } from "./programs/resolve.js";

interface Command {
  readonly script: string;
  readonly arguments: string;
  /** The configuration in the place of DEEPSPEED. */
  readonly deepspeed?: unknown;
  /** Ranks that its layout divides. */
  readonly ranks?: number;
  /** What is said where it is refused. */
  readonly refused?: string;
}

const commands = JSON.parse(
  readFileSync(join(__dirname, "../fixtures/example_commands.json"), "utf8"),
) as Command[];

const at = scratchFolder("commands");
const SENTENCE_PIECE = join(__dirname, "../../../packages/tokenizer/fixtures/sentencepiece.model");

function resolve(command: Command) {
  const path = at("ds_config.json");
  writeFileSync(path, JSON.stringify(command.deepspeed ?? {}));
  const line = command.arguments
    .replace(/--(vocab-file|merge-file) \S+/g, "") // GPT-2's are built in
    .replace(/--(save|load) \S+/g, "")
    .replace("HFTokenizer", "Llama2Tokenizer") // whose file is at hand
    .replace("--tokenizer-model TOKENIZER", `--tokenizer-model ${SENTENCE_PIECE}`)
    .replace("DEEPSPEED", path);
  try {
    return resolveLine(line, command.ranks ?? 1);
  } catch (error) {
    throw new Error(String(error).replaceAll(path, "DEEPSPEED"));
  }
}

test.each(commands.filter(({ ranks }) => ranks !== undefined))("$script resolves", (command) => {
  const { tensor, pipeline, data } = resolve(command).run.parallel;
  expect(tensor * pipeline * data).toBe(command.ranks);
});

test.each(commands.filter(({ refused }) => refused !== undefined))(
  "$script is refused",
  (command) => {
    expect(() => resolve(command)).toThrow(command.refused!);
  },
);
