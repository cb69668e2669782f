// POST /v1/completions, as OpenAI's.

import * as v from "valibot";
import type { TextRequest } from "../generate.js";
import { lengthOf } from "../stop.js";
import type { Exchange } from "./exchange.js";
import { completionLogprobs, promptOffsets } from "./format_logprobs.js";
import {
  checkMaxTokens,
  checkParameters,
  checkStream,
  checkTexts,
  readSampling,
  readStop,
  textParameters,
  unsupported,
  whole,
  wrong,
} from "./parameters.js";
import { encodePrompts, splitPrompts, type Prompt } from "./prompts.js";
import { checkModel } from "./models.js";
import type { Served } from "./served.js";
import { answerTexts, headOf, type TextPiece, type WrittenText } from "./texts.js";

const Completion = v.strictObject({
  ...textParameters,
  prompt: v.optional(v.unknown()),
  max_tokens: v.nullish(whole(0, 2 ** 31)),
  echo: v.nullish(v.boolean()),
  logprobs: v.nullish(whole(0, 5)),
  best_of: v.nullish(whole(1, 20)),
  suffix: unsupported((value) => value === ""),
});

type Completion = v.InferOutput<typeof Completion>;

/** OpenAI's default. */
const DEFAULT_TOKENS = 16;

/** What is asked for: `bestOf` texts behind each prompt, of which `n` are given. */
interface Asked extends Pick<Completion, "stream" | "stream_options" | "echo" | "logprobs"> {
  readonly prompts: readonly Prompt[];
  readonly n: number;
  readonly bestOf: number;
  readonly requests: readonly TextRequest[];
}

async function readCompletion(served: Served, body: unknown): Promise<Asked> {
  const { engine, tokenizer, limits } = served;
  const asked = checkParameters(Completion, body);
  checkModel(served, asked.model);
  checkStream(asked);
  const n = asked.n ?? 1;
  const bestOf = asked.best_of ?? n;
  if (bestOf < n) throw wrong("best_of", `is ${bestOf}, must be at least n, which is ${n}`);
  if (bestOf > n && asked.stream === true) {
    throw wrong("best_of", "must be n in a stream, which cannot wait for the best");
  }
  const given = splitPrompts(asked.prompt);
  checkTexts(
    asked.n == null && asked.best_of == null ? "prompt" : "n",
    bestOf * given.length,
    limits,
  );
  const sampling = readSampling(asked, engine.vocabularySize);
  const maxTokens = asked.max_tokens ?? Math.min(DEFAULT_TOKENS, limits.maxTokens);
  const common = {
    maxTokens: checkMaxTokens("max_tokens", maxTokens, limits),
    stop: readStop(asked),
    ignoreEnd: asked.ignore_eos ?? false,
    ...((asked.logprobs != null || bestOf > n) && {
      logprobs: {
        top: asked.logprobs ?? 0,
        ofPrompt: asked.echo === true && asked.logprobs != null,
      },
    }),
  };
  const encoding =
    asked.add_special_tokens == null ? {} : { addSpecialTokens: asked.add_special_tokens };
  const context = { engine, tokenizer, limits, param: "prompt", encoding };
  const prompts = await encodePrompts(given, context);
  const requests = prompts.flatMap(({ ids }) =>
    Array.from({ length: bestOf }, (_, i) => ({
      ...common,
      prompt: ids,
      sampling: { ...sampling, seed: sampling.seed + i },
    })),
  );
  return { ...asked, prompts, n, bestOf, requests };
}

/** A choice, or of a stream a part of one. Its text follows the prompt, where that is given back. */
function choiceOf({ tokenizer }: Served, asked: Asked, piece: TextPiece) {
  const prompt = asked.prompts[Math.floor(piece.index / asked.n)]!;
  const isEchoed = asked.echo === true;
  const start = isEchoed ? lengthOf(prompt.text) : 0;
  const tokens = [...piece.promptTokens, ...piece.tokens];
  const offsets = [
    ...(piece.promptTokens.length > 0 ? promptOffsets(tokenizer, prompt) : []),
    ...piece.tokens.map(({ offset }) => start + offset),
  ];
  const hasLogprobs = asked.logprobs != null && (tokens.length > 0 || piece.isFirst);
  return {
    index: piece.index,
    text: isEchoed && piece.isFirst ? prompt.text + piece.text : piece.text,
    logprobs: hasLogprobs ? completionLogprobs(tokenizer, tokens, offsets) : null,
    finish_reason: piece.finish,
  };
}

/** Of `bestOf` texts a prompt, those `n` whose tokens are likeliest on average, from the best on. */
function chooseBest({ n, bestOf, prompts }: Asked, written: readonly WrittenText[]) {
  if (bestOf === n) return written;
  return prompts.flatMap((_, i) =>
    written
      .slice(i * bestOf, (i + 1) * bestOf)
      .sort((a, b) => meanLogprob(b) - meanLogprob(a))
      .slice(0, n),
  );
}

const meanLogprob = ({ tokens }: WrittenText): number =>
  tokens.reduce((sum, { ranked }) => sum + (ranked?.logprob ?? 0), 0) / Math.max(1, tokens.length);

export async function answerCompletion(
  served: Served,
  exchange: Exchange,
  body: unknown,
): Promise<void> {
  const asked = await readCompletion(served, body);
  const head = headOf("cmpl", "text_completion", served.model);
  await answerTexts(served, exchange, {
    requests: asked.requests,
    promptTokens: asked.prompts.reduce((sum, { ids }) => sum + ids.length, 0),
    isStreamed: asked.stream === true,
    hasUsage: asked.stream_options?.include_usage === true,
    head,
    eventHead: head,
    choices: (written) =>
      chooseBest(asked, written).map((text, index) => choiceOf(served, asked, { ...text, index })),
    deltas: (piece) => [choiceOf(served, asked, piece)],
  });
}
