// `tessera convert`: a model from one kind of folder to another.

import { existsSync, readdirSync } from "node:fs";
import { resolve } from "node:path";
import { setImmediate as breathe } from "node:timers/promises";
import {
  openModel,
  whyNotLoadable,
  writeConfig,
  writeModelSteps,
  writeOnnxSteps,
  type OpenModel,
  type WriteProgress,
} from "@tessera/checkpoint";
import { writeAdapter } from "@tessera/checkpoint/adapters";
import {
  readSpecialTokenIds,
  specialTokensOf,
  type SpecialTokenIds,
} from "@tessera/checkpoint/specials";
import {
  choice,
  EXIT,
  type FlagValues,
  goOnUnread,
  number,
  text,
  UserError,
} from "@tessera/config";
import { stageFolder } from "@tessera/files";
import { saveTokenizer, type OpenOptions } from "@tessera/tokenizer";
import { tokenizerFlags } from "@tessera/tokenizer/flags";
import { defineCommand } from "../command.js";
import { runInterruptibly } from "../interrupt.js";
import { startProgress } from "../progress.js";
import { openFittingTokenizer, openMerged, tokenizerFolder } from "./open_model.js";

const program = {
  name: "tessera convert",
  summary: "Writes a model as ONNX, or in Hugging Face's layout, or its adapters as PEFT has them.",
  operands: [
    { name: "SOURCE", help: "a folder in Hugging Face's layout, or a checkpoint" },
    { name: "TARGET", help: "the folder to write; it must not exist, or be empty" },
  ],
  groups: {
    Output: {
      to: choice("the format to write", ["hugging-face", "onnx", "adapter"], "hugging-face"),
      adapter: text("low-rank adapters, as PEFT saves them, to merge into the model", "FOLDER"),
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
      "tiktoken-pattern": tokenizerFlags("the model's own")["tiktoken-pattern"],
    },
  },
  epilogue: [
    "GPT-2, GPT-J and Llama are read and written as transformers has them; other models have a layout of",
    "their own. Pickled weights (.bin, .pt, those of Megatron-DeepSpeed) are refused: reading them runs code.",
    "",
    "Examples:",
    "  tessera convert outputs/checkpoint-1000 exported --tokenizer gpt2",
    "  tessera convert exported exported-onnx --to onnx --precision fp16",
    "  tessera convert Llama-3.2-1B merged --adapter adapters",
    "  tessera convert outputs/checkpoint-1000 adapters --to adapter",
  ].join("\n"),
} as const;

const DTYPES = { fp32: "F32", fp16: "F16", bf16: "BF16" } as const;

export const convertCommand = defineCommand(program, ({ values, operands }) => {
  goOnUnread();
  const [source, target] = operands.map((path) => resolve(path)) as [string, string];
  const { precision, to, "tiktoken-pattern": pattern } = values;
  if (to === "onnx" && precision === "bf16") {
    throw new UserError(
      "--precision bf16: onnxruntime has no bf16 on processors; choose fp32 or fp16",
    );
  }
  if (existsSync(target) && readdirSync(target).length > 0) {
    throw new UserError(`${target}: is there already; name a folder that is not, or remove it`);
  }
  if (to === "adapter") return writeAdapters(source, target, values);
  const { tokenizer, ...opened } = openSource(source, values, { pattern });
  return writeFolder(target, async (folder, signal) => {
    try {
      await runSteps(startWriting(opened, folder, values), signal);
    } finally {
      opened.model.close();
    }
    if (tokenizer !== null) saveTokenizer(tokenizer, folder);
    else process.stderr.write("there is no tokenizer beside the model: --tokenizer adds one\n");
    const problem = to === "hugging-face" ? whyNotLoadable(opened.model.config) : null;
    if (problem !== null) process.stderr.write(`${target}: ${problem}\n`);
  });
});

/** The adapters alone, of a checkpoint of a run that trained them. */
function writeAdapters(source: string, target: string, output: Output): Promise<number> {
  const unfit = (["adapter", "tokenizer"] as const).find((name) => output[name] !== undefined);
  if (unfit !== undefined || output.precision !== "fp32") {
    throw new UserError(
      `--${unfit ?? "precision"} ${output[unfit ?? "precision"]}: is for models; with --to adapter leave it out`,
    );
  }
  const model = openModel(source);
  return writeFolder(target, (folder) => {
    try {
      writeAdapter(folder, model, null);
    } finally {
      model.close();
    }
    return Promise.resolve();
  });
}

function openSource(
  source: string,
  { adapter, tokenizer: named }: Pick<Output, "adapter" | "tokenizer">,
  options: OpenOptions,
) {
  const model = openMerged(source, adapter);
  try {
    const { config } = model;
    const home = tokenizerFolder(source) ?? source;
    const name = named ?? tokenizerFolder(source);
    const tokenizer = name === undefined ? null : openFittingTokenizer(name, config, options);
    const own = tokenizer === null ? undefined : specialTokensOf(tokenizer);
    const ids = readSpecialTokenIds(home, config.vocabularySize, own);
    return { model, ids, tokenizer, home };
  } catch (error) {
    model.close();
    throw error;
  }
}

interface Source {
  readonly model: OpenModel;
  readonly ids: SpecialTokenIds;
  /** The folder with the files of its texts. */
  readonly home: string;
}

type Output = FlagValues<(typeof program)["groups"]>;

function startWriting(
  { model, ids, home }: Source,
  folder: string,
  output: Output,
): Generator<WriteProgress, void> {
  const valuesAt = (path: string) => model.valuesAt(path);
  const { to, precision } = output;
  const texts = { specials: ids, generationFrom: home };
  if (to === "onnx" && precision !== "bf16") {
    writeConfig(folder, model.config, texts);
    return writeOnnxSteps(folder, model.config, valuesAt, precision);
  }
  const maxShardBytes = 1e9 * output["max-shard-size"];
  return writeModelSteps(folder, model.config, valuesAt, {
    ...texts,
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
