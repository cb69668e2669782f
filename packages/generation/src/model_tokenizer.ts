// A model's tokenizer, with what the model's files say of where texts begin and end; and prompts as its tokens.

import { specialTokensOf, type SpecialTokenIds } from "@tessera/checkpoint/specials";
import { UserError } from "@tessera/config";
import type { EncodeOptions, Tokenizer } from "@tessera/tokenizer";

/** A tokenizer, and which of its ids begin and end the texts of a model. */
export interface ModelTokenizer extends Tokenizer {
  /** Default: the id between documents ends a text, and begins one that has no prompt. */
  readonly specials?: SpecialTokenIds;
  /** How prompts are encoded where a request does not say it. Default: as `transformers` does. */
  readonly encoding?: PromptEncoding;
}

/** How the special tokens of a prompt are encoded, as in `transformers`. */
export interface PromptEncoding {
  /** Whether the tokenizer puts its special tokens, such as the one that begins a text, around it. Default: true. */
  readonly addSpecialTokens?: boolean;
  /** Whether text that looks like a special token is only text. Default: false. */
  readonly splitSpecialTokens?: boolean;
}

const encodeOptions = ({
  addSpecialTokens = true,
  splitSpecialTokens = false,
}: PromptEncoding): EncodeOptions => ({
  addSpecialTokens,
  special: splitSpecialTokens ? "text" : "allow",
});

/**
 * The ids of a prompt, as `transformers` has them; of an empty one, the id that begins a text, or else ends one.
 * @throws UserError where it is empty and there is no such id.
 */
export function encodePrompt(
  tokenizer: ModelTokenizer,
  prompt: string,
  encoding: PromptEncoding = {},
): readonly number[] {
  const ids = [...tokenizer.encode(prompt, encodeOptions({ ...tokenizer.encoding, ...encoding }))];
  if (ids.length > 0) return ids;
  const { bos, eos } = specialsOf(tokenizer);
  const first = bos ?? eos[0];
  if (first !== undefined) return [first];
  throw new UserError("the prompt is empty: give the text that is to be continued");
}

/** The ids of a whole text. */
export const encodeWhole = (tokenizer: ModelTokenizer, text: string): Int32Array =>
  tokenizer.encode(text, encodeOptions(tokenizer.encoding ?? {}));

/**
 * The ids of a text and of what continues it, as lm-evaluation-harness has them: those of both together, divided where
 * those of the text alone end. What ends a whole text is left out.
 */
export function encodePair(
  tokenizer: ModelTokenizer,
  context: string,
  continuation: string,
): readonly [context: Int32Array, continuation: Int32Array] {
  const { addSpecialTokens = true } = tokenizer.encoding ?? {};
  const ending = addSpecialTokens ? tokenizer.template.after.length : 0;
  const [own, both] = [context, context + continuation].map((text) => {
    const ids = encodeWhole(tokenizer, text);
    return ids.subarray(0, ids.length - ending);
  }) as [Int32Array, Int32Array];
  return [own, both.subarray(own.length)];
}

/** Whether `id` ends a text. */
export const endsText = (tokenizer: ModelTokenizer, id: number): boolean =>
  specialsOf(tokenizer).eos.includes(id);

const specialsOf = (tokenizer: ModelTokenizer): SpecialTokenIds =>
  tokenizer.specials ?? specialTokensOf(tokenizer);
