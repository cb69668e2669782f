// Log-probabilities as answers have them: of completions, and of chat.

import { decodeStream, type Tokenizer } from "@tessera/tokenizer";
import type { TextToken } from "../generate.js";
import type { TokenLogprob } from "../logprobs.js";
import { lengthOf } from "../stop.js";
import type { Prompt } from "./prompts.js";

type Bytes = Pick<Tokenizer, "bytesOf">;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a token; of one that is a part of a character, its bytes; of one without a text, its id. */
function nameOf(tokenizer: Bytes, id: number): string {
  const bytes = tokenizer.bytesOf(id);
  if (bytes === undefined) return `token_id:${id}`;
  try {
    return utf8.decode(bytes);
  } catch {
    return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
  }
}

/** Of a completion's tokens: lists with an element a token. `offsets` are where they begin in the choice's text. */
export const completionLogprobs = (
  tokenizer: Bytes,
  tokens: readonly TextToken[],
  offsets: readonly number[],
) => ({
  tokens: tokens.map(({ id }) => nameOf(tokenizer, id)),
  token_logprobs: tokens.map(({ ranked }) => ranked?.logprob ?? null),
  // The token itself is there too, be it among the likeliest or not.
  top_logprobs: tokens.map(
    ({ ranked }) =>
      ranked &&
      Object.fromEntries(
        [...ranked.top, ranked].map(({ id, logprob }) => [nameOf(tokenizer, id), logprob]),
      ),
  ),
  text_offset: offsets,
});

/** Where a prompt's tokens begin in its text, in code points: those that were put around it are beside it. */
export function promptOffsets(tokenizer: Bytes, { text, ids }: Prompt): readonly number[] {
  const stream = decodeStream(tokenizer);
  let decoded = "";
  const starts = ids.map((id) => {
    const start = lengthOf(decoded);
    decoded += stream.push(id);
    return start;
  });
  const length = lengthOf(text);
  const before = decoded.endsWith(text) ? lengthOf(decoded) - length : 0;
  return starts.map((start) => Math.min(length, Math.max(0, start - before)));
}

/** Of a chat's tokens: a record a token, with its bytes, of which several tokens may make one character. */
export function chatLogprobs(tokenizer: Bytes, tokens: readonly TextToken[]) {
  const entryOf = ({ id, logprob }: TokenLogprob) => {
    const bytes = tokenizer.bytesOf(id);
    const token = bytes === undefined ? nameOf(tokenizer, id) : new TextDecoder().decode(bytes);
    return { token, logprob, bytes: bytes === undefined ? null : Array.from(bytes) };
  };
  const content = tokens.flatMap(({ ranked }) =>
    ranked === null ? [] : [{ ...entryOf(ranked), top_logprobs: ranked.top.map(entryOf) }],
  );
  return { content, refusal: null };
}
