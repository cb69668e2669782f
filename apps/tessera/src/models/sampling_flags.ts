// Flags that say how tokens are sampled.

import { list, number, toggle, type FlagValues } from "@tessera/config";
import type { TextRequest } from "@tessera/generation";

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
    { above: 0, max: 1 },
    1,
  ),
  "repetition-penalty": number(
    "makes tokens that are in the text already less likely; 1 for no penalty",
    { min: 1, max: 100 },
    1,
  ),
  seed: number("the same seed and prompt give the same text", { min: 0, whole: true }, 1234),
  stop: list("texts before which a text ends", "TEXT"),
  "ignore-end": toggle("go on after the token that ends a document", false),
};

export type SamplingFlags = FlagValues<{ readonly Sampling: typeof samplingFlags }>;

/** Everything of a request but its prompt. */
export const requestOf = (flags: SamplingFlags): Omit<TextRequest, "prompt"> => ({
  maxTokens: flags["max-tokens"],
  sampling: {
    temperature: flags.temperature,
    topK: flags["top-k"],
    topP: flags["top-p"],
    repetitionPenalty: flags["repetition-penalty"],
    seed: flags.seed,
  },
  stop: flags.stop,
  ignoreEnd: flags["ignore-end"],
});
