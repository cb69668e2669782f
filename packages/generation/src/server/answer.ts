// Answers to requests for texts: whole, or piece by piece as server-sent events.

import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { Finish, TextRequest } from "../generate.js";
import type { TextQueue } from "./queue.js";
import type { TextsRequest } from "./request.js";

export interface Answering {
  readonly queue: TextQueue;
  /** What the model is called. */
  readonly model: string;
  readonly response: ServerResponse;
}

interface Answer {
  text: string;
  finish: Finish | null;
  promptTokens: number;
  tokens: number;
}

type Piece = (index: number, text: string, finish: Finish | null) => void;

/**
 * Has all texts written; each piece goes to `range`. Resolves once all are whole; with null where the client
 * went away, whose places are then free.
 */
function writeAll(
  { queue, response }: Answering,
  texts: readonly TextRequest[],
  range: Piece,
): Promise<readonly Answer[] | null> {
  return new Promise((resolve, reject) => {
    let isGone = false;
    let left = texts.length;
    const answers: Answer[] = [];
    const leaveAll: (() => void)[] = [];
    response.once("close", () => {
      isGone = true;
      for (const leave of leaveAll) leave();
      resolve(null);
    });
    for (const [index, request] of texts.entries()) {
      const answer: Answer = { text: "", finish: null, promptTokens: 0, tokens: 0 };
      answers.push(answer);
      const ticket = queue.add(request, {
        text(more) {
          answer.text += more;
          if (more !== "" && !isGone) range(index, more, null);
        },
        end(finish, tokens) {
          Object.assign(answer, { finish, tokens });
          if (!isGone) range(index, "", finish);
          if ((left -= 1) === 0) resolve(answers);
        },
        failed: reject,
      });
      answer.promptTokens = ticket.promptTokens;
      leaveAll.push(() => ticket.leave());
    }
  });
}

/** What every answer of /v1/completions says. */
const headOf = (model: string) => ({
  id: `cmpl-${randomUUID()}`,
  object: "text_completion",
  created: Math.floor(Date.now() / 1000),
  model,
});

const choiceOf = (index: number, text: string, finish: Finish | null) => ({
  index,
  text,
  logprobs: null,
  finish_reason: finish,
});

/** Answers /v1/completions. */
export async function answerCompletion(answering: Answering, asked: TextsRequest): Promise<void> {
  const { texts, isStreamed, isEchoed } = asked;
  if (isStreamed) {
    await streamCompletion(answering, asked);
    return;
  }
  const answers = await writeAll(answering, texts, () => undefined);
  if (answers === null) return;
  const choices = answers.map(({ text, finish }, i) =>
    choiceOf(i, isEchoed ? texts[i]!.prompt + text : text, finish),
  );
  const sum = (of: "promptTokens" | "tokens"): number =>
    answers.reduce((total, answer) => total + answer[of], 0);
  const [prompt_tokens, completion_tokens] = [sum("promptTokens"), sum("tokens")];
  const total_tokens = prompt_tokens + completion_tokens;
  const usage = { prompt_tokens, completion_tokens, total_tokens };
  sendJson(answering.response, 200, { ...headOf(answering.model), choices, usage });
}

async function streamCompletion(answering: Answering, asked: TextsRequest): Promise<void> {
  const { response, model } = answering;
  const head = headOf(model);
  const send = (data: unknown): void => {
    if (!response.headersSent) {
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    }
    response.write(`data: ${JSON.stringify(data)}\n\n`);
  };
  const range: Piece = (index, text, finish) =>
    send({ ...head, choices: [choiceOf(index, text, finish)] });
  const written = writeAll(answering, asked.texts, range);
  if (asked.isEchoed) asked.texts.forEach(({ prompt }, index) => range(index, prompt, null));
  if ((await written) !== null) response.end("data: [DONE]\n\n");
}

/** Answers Megatron's PUT /api. */
export async function answerMegatron(answering: Answering, { texts }: TextsRequest): Promise<void> {
  const answers = await writeAll(answering, texts, () => undefined);
  const text = answers?.map((answer, i) => texts[i]!.prompt + answer.text);
  if (text) sendJson(answering.response, 200, { text, segments: null, logprobs: null });
}

export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(`${JSON.stringify(value)}\n`);
}
