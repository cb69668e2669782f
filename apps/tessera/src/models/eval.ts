// `tessera eval`: perplexity on a text or a dataset, or accuracy on the last words of passages.

import { EXIT, number, text, toggle, UserError, type FlagValues } from "@tessera/config";
import { openIndexedDataset } from "@tessera/data/megatron";
import { readTexts, tokenizeTexts } from "@tessera/data/texts";
import {
  encodeWhole,
  evaluateLambada,
  evaluatePerplexity,
  tokensInMemory,
  type LambadaResult,
  type ModelTokenizer,
  type Perplexity,
  type TokenSource,
} from "@tessera/generation";
import { bind } from "@tessera/launcher";
import { defineCommand } from "../command.js";
import { runInterruptibly } from "../interrupt.js";
import { startProgress } from "../progress.js";
import { modelAliases, modelFlags, openForText, type OpenedModel } from "./open_model.js";
import { textsOf } from "./prompts.js";

const program = {
  name: "tessera eval",
  summary: "Measures a model: perplexity, or how many last words of passages it knows.",
  aliases: modelAliases,
  groups: {
    Model: modelFlags,
    Task: {
      text: text("perplexity on the text in this file", "FILE"),
      data: text("perplexity on this dataset, named without .bin or .idx", "PREFIX"),
      lambada: text('last words of passages: JSON lines, each with "text"', "FILE"),
      stride: number("tokens between the starts of windows (default: those of a window)", {
        min: 1,
        whole: true,
      }),
      limit: number("tokens, or passages, to evaluate at most", { min: 2, whole: true }),
    },
    Output: { json: toggle("as JSON", false) },
  },
  epilogue: [
    "A window has --context tokens; each but its first is predicted from those before it. With a smaller",
    "--stride windows overlap, and each counted token is predicted from more of the text before it.",
    "A text begins with the token that the tokenizer puts there, if it has one; last words are those of",
    "lm-evaluation-harness's lambada.",
    "",
    "Examples:",
    "  tessera eval --model exported-onnx --text book.txt",
    "  tessera eval --model exported --engine native --lambada lambada_test.jsonl",
  ].join("\n"),
} as const;

interface Task {
  readonly unit: "tokens" | "passages";
  run(opened: OpenedModel, watch: Watch): Promise<Perplexity | LambadaResult>;
}

interface Watch {
  readonly progress: (done: number, total: number) => void;
  readonly signal: AbortSignal;
}

export const evalCommand = defineCommand(program, async ({ values }) => {
  const task = chooseTask(values);
  const opened = await openForText(values, 1, bind(process.env));
  return runInterruptibly(async (signal) => {
    let bar: ReturnType<typeof startProgress> | undefined;
    const progress = (done: number, total: number): void => {
      bar ??= startProgress({ stream: process.stderr, total, scale: 1, unit: task.unit });
      bar.update(done);
    };
    const found = await task.run(opened, { progress, signal }).finally(() => bar?.end());
    await opened.engine.close();
    if (!signal.aborted)
      process.stdout.write(values.json ? `${JSON.stringify(found)}\n` : describe(found));
    return EXIT.done;
  });
});

type TaskFlags = FlagValues<Pick<(typeof program)["groups"], "Task">>;

function chooseTask({ text: file, data, lambada, stride, limit = Infinity }: TaskFlags): Task {
  if ([file, data, lambada].filter((one) => one !== undefined).length !== 1) {
    throw new UserError("--text, --data, --lambada: give one of them");
  }
  if (lambada !== undefined) {
    const passages = textsOf(lambada, "text").slice(0, limit);
    if (passages.length === 0) throw new UserError(`${lambada}: has no passages`);
    return {
      unit: "passages",
      run: ({ engine, tokenizer }, watch) => evaluateLambada(engine, tokenizer, passages, watch),
    };
  }
  return {
    unit: "tokens",
    async run({ engine, tokenizer }, watch) {
      const source = file === undefined ? datasetTokens(data!) : await textTokens(file, tokenizer);
      const window = engine.maxPositions;
      if (stride !== undefined && stride >= window) {
        throw new UserError(`--stride ${stride}: must be below the ${window} tokens of a window`);
      }
      const limited = { ...source, count: Math.min(source.count, limit) };
      return evaluatePerplexity(engine, limited, { window, stride: stride ?? window, ...watch });
    },
  };
}

/** The tokens of a text, or of the documents in JSON lines, of which each ends with the id for that. */
async function textTokens(path: string, tokenizer: ModelTokenizer): Promise<TokenSource> {
  const { texts } = await readTexts([path]);
  const [only, ...more] = texts;
  return tokensInMemory(
    more.length === 0
      ? encodeWhole(tokenizer, only!.text)
      : Int32Array.from(tokenizeTexts(texts, tokenizer)),
  );
}

/** The tokens of a dataset, one document after the other in the order of the file. */
function datasetTokens(prefix: string): TokenSource {
  const dataset = openIndexedDataset(prefix);
  const { lengths } = dataset;
  /** The sequence that was read last, and the tokens before it; windows only go forward. */
  let [sequence, before] = [0, 0];
  return {
    count: dataset.tokenCount,
    read(first, out) {
      if (first < before) [sequence, before] = [0, 0];
      for (let at = 0; at < out.length;) {
        const from = first + at - before;
        const length = lengths.at(sequence);
        if (from < length) {
          const count = Math.min(length - from, out.length - at);
          dataset.read(sequence, from, count, out, at);
          at += count;
        }
        if (at < out.length) [sequence, before] = [sequence + 1, before + length];
      }
    },
  };
}

function describe(found: Perplexity | LambadaResult): string {
  const perplexity = `perplexity  ${found.perplexity.toFixed(3)}\n`;
  if ("loss" in found) {
    return `tokens      ${found.tokens}\nloss        ${found.loss.toFixed(4)} nats per token\n${perplexity}`;
  }
  const { passages, correct, accuracy } = found;
  return `passages    ${passages}\naccuracy    ${(100 * accuracy).toFixed(2)}% (${correct})\n${perplexity}`;
}
