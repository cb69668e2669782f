// `tessera generate`: continues a prompt and streams the text, or continues all prompts of a file.

import { createWriteStream } from "node:fs";
import { EXIT, number, text, UserError } from "@tessera/config";
import { generate, generateAll, type TextRequest, type Completion } from "@tessera/generation";
import { bind } from "@tessera/launcher";
import { defineCommand } from "../command.js";
import { runInterruptibly } from "../interrupt.js";
import { startProgress } from "../progress.js";
import { modelAliases, modelFlags, openForText, type OpenedModel } from "./open_model.js";
import { readPrompts } from "./prompts.js";
import { requestOf, samplingFlags } from "./sampling_flags.js";

const program = {
  name: "tessera generate",
  summary: "Continues a prompt, or many, with a trained model.",
  groups: {
    Model: modelFlags,
    Prompt: {
      prompt: text("the text to continue", "TEXT"),
      "prompt-file": text('a prompt a line, or a .jsonl file with "prompt"', "FILE"),
      output: text("with --prompt-file: JSON lines go here (default: to the terminal)", "FILE"),
      batch: number("prompts that are continued together", { min: 1, max: 1024, whole: true }, 8),
    },
    Sampling: samplingFlags,
  },
  aliases: { ...modelAliases, max_new_tokens: "max-tokens", n_predict: "max-tokens" },
  epilogue: [
    "The same prompt and seed give the same text on every engine.",
    "",
    "Examples:",
    '  tessera generate --model outputs/onnx --prompt "To be" --temperature 0.8 --top-k 50',
    "  tessera generate --model outputs/onnx --prompt-file prompts.txt --output texts.jsonl",
  ].join("\n"),
} as const;

export const generateCommand = defineCommand(program, async ({ values }) => {
  const file = values["prompt-file"];
  if ((values.prompt === undefined) === (file === undefined)) {
    throw new UserError("--prompt, --prompt-file: give one of them");
  }
  const prompts = file === undefined ? [values.prompt!] : readPrompts(file);
  const rows = Math.min(values.batch, prompts.length);
  const opened = await openForText(values, rows, bind(process.env));
  const request = requestOf(values);
  return runInterruptibly(async (signal) => {
    const requests = prompts.map((prompt) => ({ ...request, prompt }));
    if (file === undefined) await writeOne(opened, requests[0]!, signal);
    else await writeAll(opened, requests, values.output, signal);
    await opened.engine.close();
    return EXIT.done;
  });
});

/** On a terminal, replaces control characters, which could command it, but not new lines and tabs. */
const sanitize = (piece: string): string =>
  process.stdout.isTTY
    ? piece.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\ufffd")
    : piece;

async function writeOne(
  { engine, tokenizer }: OpenedModel,
  request: TextRequest & { readonly prompt: string },
  signal: AbortSignal,
): Promise<void> {
  process.stdout.write(sanitize(request.prompt));
  for await (const piece of generate(engine, tokenizer, request)) {
    process.stdout.write(sanitize(piece));
    if (signal.aborted) break;
  }
  process.stdout.write("\n");
}

async function writeAll(
  { engine, tokenizer }: OpenedModel,
  requests: readonly TextRequest[],
  output: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const stream = output === undefined ? process.stdout : createWriteStream(output);
  const settings = { stream: process.stderr, total: requests.length, scale: 1, unit: "texts" };
  const progress = startProgress(settings);
  // Texts are done in any order, and are given in that of their prompts.
  const waiting = new Map<number, Completion>();
  let [next, done] = [0, 0];
  const take = (completion: Completion, index: number): void => {
    waiting.set(index, completion);
    progress.update((done += 1));
    for (let ready = waiting.get(next); ready !== undefined; ready = waiting.get(next)) {
      waiting.delete(next);
      stream.write(`${JSON.stringify({ prompt: requests[next]!.prompt, ...ready })}\n`);
      next += 1;
    }
  };
  try {
    await generateAll(engine, tokenizer, requests, take, signal);
  } finally {
    progress.end();
    if (output !== undefined) await new Promise<void>((resolve) => stream.end(resolve));
  }
}
