// Flags that say how tokens are sampled.

import { flag, list, number, toggle, UserError, type Flag, type FlagValues } from "@tessera/config";
import { greedy, type TextRequest } from "@tessera/generation";

/** Biases as `ID=BIAS`, one or several. */
const biases: Flag<ReadonlyMap<number, number>> = {
  ...flag<ReadonlyMap<number, number>>(
    "added to the logits of a token, by its id",
    "ID=BIAS",
    new Map(),
    (value) => new Map([parseBias(value)]),
  ),
  many: true,
  parse: (values) => new Map(values.map(parseBias)),
};

function parseBias(value: string): readonly [number, number] {
  const [, id, bias] = /^(\d{1,10})=([+-]?\d+(?:\.\d+)?)$/.exec(value) ?? [];
  if (id === undefined || Math.abs(Number(bias)) > 100) {
    throw new UserError("must be ID=BIAS, a token's id and a number from -100 to 100");
  }
  return [Number(id), Number(bias)];
}

export const samplingFlags = {
  "max-tokens": number("tokens to generate at most", { min: 1, max: 1e6, whole: true }, 100),
  temperature: number("divides the logits; 0 takes the likeliest token", { min: 0, max: 100 }, 1),
  "top-k": number(
    "samples from so many of the likeliest tokens; 0 for all",
    { min: 0, whole: true },
    0,
  ),
  "top-p": number(
    "samples from the likeliest tokens that have this probability together",
    { min: 0, max: 1 },
    1,
  ),
  "min-p": number(
    "samples from tokens at least this fraction as likely as the likeliest; 0 for all",
    { min: 0, max: 1 },
    0,
  ),
  "repetition-penalty": number(
    "above 1 makes tokens of the prompt and the text less likely; 1 for no penalty",
    { above: 0, max: 100 },
    1,
  ),
  "presence-penalty": number(
    "subtracted from the logits of tokens that were sampled already",
    { min: -2, max: 2 },
    0,
  ),
  "frequency-penalty": number(
    "subtracted from a token's logit for each time that it was sampled",
    { min: -2, max: 2 },
    0,
  ),
  "logit-bias": biases,
  seed: number("the same seed and prompt give the same text", { min: 0, whole: true }, 1234),
  stop: list("texts before which a text ends", "TEXT"),
  "ignore-end": toggle("go on after the token that ends a document", false),
};

export type SamplingFlags = FlagValues<{ readonly Sampling: typeof samplingFlags }>;

/** Everything of a request but its prompt. */
export const requestOf = (flags: SamplingFlags): Omit<TextRequest, "prompt"> => ({
  maxTokens: flags["max-tokens"],
  sampling: {
    ...greedy,
    temperature: flags.temperature,
    topK: flags["top-k"],
    topP: flags["top-p"],
    minP: flags["min-p"],
    repetitionPenalty: flags["repetition-penalty"],
    presencePenalty: flags["presence-penalty"],
    frequencyPenalty: flags["frequency-penalty"],
    logitBias: flags["logit-bias"],
    seed: flags.seed,
  },
  stop: flags.stop,
  ignoreEnd: flags["ignore-end"],
});
