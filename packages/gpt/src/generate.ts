// Text from a model, one token at a time. Each token runs the whole window through the model.

import { slice, tensor, tidy } from "@tensorflow/tfjs-core";
import { still } from "@tessera/layers";
import { streamKey, uniformAt } from "@tessera/random";
import type { Gpt } from "./model.js";
import type { GptParams } from "./part.js";

export interface Sampling {
  /** Divides the logits: below 1 sharpens the choice; 0 takes the likeliest. */
  readonly temperature: number;
  /** How many of the likeliest tokens are drawn from. */
  readonly topK: number;
  readonly seed: number;
}

/** Yields `count` ids that continue `prompt`, a function of the sampling's seed. */
export function* generate(
  model: Gpt,
  params: GptParams,
  prompt: readonly number[],
  count: number,
  sampling: Sampling,
): Generator<number> {
  const key = streamKey(sampling.seed, "generate");
  const ids = [...prompt];
  for (let n = 0; n < count; n += 1) {
    const window = ids.slice(-model.config.maxPositions);
    const next = choose(nextLogits(model, params, window), sampling, uniformAt(key, n));
    ids.push(next);
    yield next;
  }
}

/** The logits [vocabulary] of the token after `ids`. */
function nextLogits(model: Gpt, params: GptParams, ids: readonly number[]): Float32Array {
  return tidy(() => {
    const x = tensor([[...ids]], [1, ids.length], "int32");
    const y = model.activations(params, x, still);
    const last = slice(y, [0, ids.length - 1, 0], [1, 1, model.config.hiddenSize]);
    return model.logits(params, last).dataSync<"float32">();
  });
}

/** Draws from the softmax of the `topK` largest logits with `uniform`, a number in (0, 1). */
export function choose(logits: Float32Array, { temperature, topK }: Sampling, uniform: number) {
  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!);
  const best = order[0]!;
  if (temperature === 0) return best;
  const kept = order.slice(0, topK);
  const weights = kept.map((id) => Math.exp((logits[id]! - logits[best]!) / temperature));
  let left = uniform * weights.reduce((a, b) => a + b, 0);
  for (const [i, id] of kept.entries()) {
    left -= weights[i]!;
    if (left <= 0) return id;
  }
  return kept.at(-1)!;
}
