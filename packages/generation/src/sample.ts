// The one place where logits become a token. Engines differ in the last bits of their logits, so that a
// choice must not hang on the order of nearly equal ones: tokens are drawn in the order of their ids.

export interface Sampling {
  /** Divides the logits: below 1 sharpens the choice; 0 takes the likeliest. */
  readonly temperature: number;
  /** How many of the likeliest tokens are drawn from; 0 for all. */
  readonly topK: number;
  /** The likeliest tokens are drawn from, as many as have this probability together; 1 for all. */
  readonly topP: number;
  /** Divides the positive logits of tokens that were there before, and multiplies the others. */
  readonly repetitionPenalty: number;
  /** Token n is drawn with number n of the stream of this seed. */
  readonly seed: number;
}

/** The likeliest token, always. */
export const greedy: Sampling = {
  temperature: 0,
  topK: 0,
  topP: 1,
  repetitionPenalty: 1,
  seed: 0,
};

/**
 * Chooses by `logits` [vocabulary] with `uniform`, a number in (0, 1). `seen` are the tokens that the
 * repetition penalty is for. Order of steps: penalty (Keskar et al., 2019), temperature, top-k, top-p
 * (Holtzman et al., 2020).
 */
export function choose(
  logits: Float32Array,
  sampling: Sampling,
  uniform: number,
  seen: Iterable<number> = [],
): number {
  const scores = penalized(logits, sampling.repetitionPenalty, seen);
  const best = likeliest(scores);
  const most = scores[best]!;
  if (!Number.isFinite(most)) throw new Error(`the model gave a logit of ${most}`);
  if (sampling.temperature === 0) return best;
  const least = sampling.topK > 0 ? largest(scores, sampling.topK) : -Infinity;
  const weights = new Float64Array(scores.length);
  let total = 0;
  scores.forEach((score, id) => {
    if (!(score >= least)) return;
    weights[id] = Math.exp((score - most) / sampling.temperature);
    total += weights[id];
  });
  if (sampling.topP < 1) total = keepNucleus(weights, total, sampling.topP);
  return drawn(weights, total * uniform, best);
}

function penalized(logits: Float32Array, penalty: number, seen: Iterable<number>): Float64Array {
  const scores = Float64Array.from(logits);
  if (penalty === 1) return scores;
  for (const id of new Set(seen)) {
    const score = scores[id];
    if (score !== undefined) scores[id] = score > 0 ? score / penalty : score * penalty;
  }
  return scores;
}

function likeliest(scores: Float64Array): number {
  let best = 0;
  scores.forEach((score, id) => {
    if (score > scores[best]! || Number.isNaN(scores[best])) best = id;
  });
  return best;
}

/** The k-th largest score, found by Hoare's selection: sorting a vocabulary takes longer than a small model. */
function largest(scores: Float64Array, k: number): number {
  if (k >= scores.length) return -Infinity;
  const values = Float64Array.from(scores);
  const place = values.length - k;
  for (let [low, high] = [0, values.length - 1]; low < high;) {
    const pivot = values[(low + high) >> 1]!;
    let [left, right] = [low, high];
    while (left <= right) {
      while (values[left]! < pivot) left += 1;
      while (values[right]! > pivot) right -= 1;
      if (left > right) break;
      [values[left], values[right]] = [values[right]!, values[left]!];
      left += 1;
      right -= 1;
    }
    if (place > right && place < left) break;
    if (place <= right) high = right;
    else low = left;
  }
  return values[place]!;
}

/** Leaves the largest weights that make up `share` of the total, and gives their sum. */
function keepNucleus(weights: Float64Array, total: number, share: number): number {
  // All weights below this together are less than what may be left out.
  const certain = ((1 - share) * total) / weights.length;
  const candidates = weights.filter((weight) => weight >= certain).sort();
  let kept = 0;
  let least = 0;
  for (let i = candidates.length - 1; i >= 0 && kept < share * total; i -= 1) {
    least = candidates[i]!;
    kept += least;
  }
  let sum = 0;
  weights.forEach((weight, id) => {
    if (weight < least) weights[id] = 0;
    else sum += weight;
  });
  return sum;
}

function drawn(weights: Float64Array, target: number, best: number): number {
  let left = target;
  for (let id = 0; id < weights.length; id += 1) {
    left -= weights[id]!;
    if (left <= 0 && weights[id]! > 0) return id;
  }
  return best; // rounding left a crumb
}
