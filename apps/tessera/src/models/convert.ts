// `tessera convert`: a model from one kind of folder to another.

import { copyFileSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setImmediate as breathe } from "node:timers/promises";
import {
  openModel,
  writeConfig,
  writeModelSteps,
  writeOnnxSteps,
  type OpenModel,
  type WriteProgress,
} from "@tessera/checkpoint";
import { choice, EXIT, number, text, UserError, type FlagValues } from "@tessera/config";
import { stageFolder } from "@tessera/files";
import {
  bpeTokenizer,
  byteModel,
  openTokenizer,
  writeTokenizerJson,
  type BpeTokenizer,
  type Tokenizer,
} from "@tessera/tokenizer";
import { defineCommand } from "../command.js";
import { runInterruptibly } from "../interrupt.js";
import { startProgress } from "../progress.js";
import { hasTokenizer, TOKENIZER_FILES } from "./open_model.js";

const program = {
  name: "tessera convert",
  summary: "Writes a model as ONNX, or in Hugging Face's layout.",
  operands: [
    { name: "SOURCE", help: "a folder in Hugging Face's layout, or a checkpoint" },
    { name: "TARGET", help: "the folder to write; it must not exist, or be empty" },
  ],
  groups: {
    Output: {
      to: choice("the format to write", ["hugging-face", "onnx"], "hugging-face"),
      precision: choice(
        "how weights are stored; onnx has no bf16",
        ["fp32", "fp16", "bf16"],
        "fp32",
      ),
      "max-shard-size": number(
        "GB above which hugging-face weights are split into several files",
        { above: 0 },
        5,
      ),
      tokenizer: text(
        "gpt2, bytes, or a file or folder, for a model that has none beside it",
        "NAME",
      ),
    },
  },
  epilogue: [
    "GPT-2, GPT-J and Llama are read and written as transformers has them; other models have a layout of",
    "their own. Pickled weights (.bin, .pt, those of Megatron-DeepSpeed) are refused: reading them runs code.",
    "",
    "Examples:",
    "  tessera convert outputs/checkpoint-1000 exported --tokenizer gpt2",
    "  tessera convert exported exported-onnx --to onnx --precision fp16",
  ].join("\n"),
} as const;

const DTYPES = { fp32: "F32", fp16: "F16", bf16: "BF16" } as const;

export const convertCommand = defineCommand(program, ({ values, operands }) => {
  const [source, target] = operands.map((path) => resolve(path)) as [string, string];
  const { precision, to } = values;
  if (to === "onnx" && precision === "bf16") {
    throw new UserError(
      "--precision bf16: onnxruntime has no bf16 on processors; choose fp32 or fp16",
    );
  }
  if (existsSync(target) && readdirSync(target).length > 0) {
    throw new UserError(`${target}: is there already; name a folder that is not, or remove it`);
  }
  const named = values.tokenizer === undefined ? null : openTokenizer(values.tokenizer);
  const model = openModel(source);
  return writeFolder(target, async (folder, signal) => {
    try {
      await runSteps(startWriting(model, folder, values), signal);
    } finally {
      model.close();
    }
    writeTokenizer(source, folder, named);
  });
});

type Output = FlagValues<(typeof program)["groups"]>;

function startWriting(
  model: OpenModel,
  folder: string,
  output: Output,
): Generator<WriteProgress, void> {
  const valuesAt = (path: string) => model.valuesAt(path);
  const { to, precision } = output;
  if (to === "onnx" && precision !== "bf16") {
    writeConfig(folder, model.config);
    return writeOnnxSteps(folder, model.config, valuesAt, precision);
  }
  const maxShardBytes = 1e9 * output["max-shard-size"];
  return writeModelSteps(folder, model.config, valuesAt, {
    dtype: DTYPES[precision],
    maxShardBytes,
  });
}

/** Runs all steps. Between them it shows how far they are, and stops where `signal` is aborted. */
async function runSteps(steps: Generator<WriteProgress, void>, signal: AbortSignal): Promise<void> {
  let progress: ReturnType<typeof startProgress> | undefined;
  for (const { doneBytes, totalBytes: total } of steps) {
    progress ??= startProgress({ stream: process.stderr, total, scale: 1e6, unit: "MB" });
    progress.update(doneBytes);
    await breathe();
    if (signal.aborted) break;
  }
  progress?.end();
}

/** Has `fill` write into a hidden folder, which is renamed to `target` once it is complete. */
const writeFolder = (
  target: string,
  fill: (folder: string, signal: AbortSignal) => Promise<void>,
): Promise<number> =>
  runInterruptibly(async (signal) => {
    const staged = stageFolder(target);
    try {
      await fill(staged.path, signal);
      if (!signal.aborted) staged.commit();
    } finally {
      staged.abort();
    }
    return EXIT.done;
  });

const isBpe = (tokenizer: Tokenizer): tokenizer is BpeTokenizer => "model" in tokenizer;

/** The tokenizer that was named, or the files beside the source. */
function writeTokenizer(source: string, folder: string, named: Tokenizer | null): void {
  if (named === null) {
    if (!hasTokenizer(source)) {
      process.stderr.write("there is no tokenizer beside the model: --tokenizer adds one\n");
    }
    for (const name of TOKENIZER_FILES) {
      if (existsSync(join(source, name))) copyFileSync(join(source, name), join(folder, name));
    }
    return;
  }
  const { model } = isBpe(named) ? named : bpeTokenizer(byteModel);
  writeTokenizerJson(join(folder, "tokenizer.json"), model);
  const [end = null] =
    Object.entries(model.specials).find(([, id]) => id === model.endOfText) ?? [];
  const settings = {
    tokenizer_class: "PreTrainedTokenizerFast",
    ...(end !== null && { bos_token: end, eos_token: end, unk_token: end }),
  };
  writeFileSync(join(folder, "tokenizer_config.json"), `${JSON.stringify(settings, null, 2)}\n`);
}
