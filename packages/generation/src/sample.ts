// Sampling of a token from logits. Engines differ in the last bits of their logits, so a sample must not depend on
// the order of nearly equal ones: probabilities are summed in the order of ids.

/** How a token is sampled. */
export interface Sampling {
  /** Divides the logits: below 1 sharpens the distribution; 0 takes the likeliest token. */
  readonly temperature: number;
  /** How many of the likeliest tokens are sampled from; 0 for all. */
  readonly topK: number;
  /** Samples from the fewest likeliest tokens that have this probability together; 1 for all. */
  readonly topP: number;
  /** Divides the positive logits of tokens that occurred before, and multiplies their negative ones. */
  readonly repetitionPenalty: number;
  /** Token n is sampled with number n of this seed's stream. */
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
 * Samples an id by `logits` [vocabulary] with `uniform`, a number in (0, 1). `seen` are the tokens that the
 * repetition penalty is for. Order of steps: penalty (Keskar et al., 2019), temperature, top-k, top-p
 * (Holtzman et al., 2020).
 */
export function sampleToken(
  logits: Float32Array,
  sampling: Sampling,
  uniform: number,
  seen: Iterable<number> = [],
): number {
  const scores = applyPenalty(logits, sampling.repetitionPenalty, seen);
  const best = argmax(scores);
  const max = scores[best]!;
  if (!Number.isFinite(max)) throw new Error(`the model gave a logit of ${max}`);
  if (sampling.temperature === 0) return best;
  const least = sampling.topK > 0 ? largest(scores, sampling.topK) : -Infinity;
  const weights = new Float64Array(scores.length);
  let total = 0;
  scores.forEach((score, id) => {
    if (!(score >= least)) return;
    weights[id] = Math.exp((score - max) / sampling.temperature);
    total += weights[id];
  });
  if (sampling.topP < 1) total = keepNucleus(weights, total, sampling.topP);
  return pickToken(weights, total * uniform, best);
}

function applyPenalty(logits: Float32Array, penalty: number, seen: Iterable<number>): Float64Array {
  const scores = Float64Array.from(logits);
  if (penalty === 1) return scores;
  for (const id of new Set(seen)) {
    const score = scores[id];
    if (score !== undefined) scores[id] = score > 0 ? score / penalty : score * penalty;
  }
  return scores;
}

function argmax(scores: Float64Array): number {
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

/** Zeroes all but the largest weights, which make up `share` of the total together. Returns their sum. */
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

function pickToken(weights: Float64Array, target: number, best: number): number {
  let left = target;
  for (let id = 0; id < weights.length; id += 1) {
    left -= weights[id]!;
    if (left <= 0 && weights[id]! > 0) return id;
  }
  return best; // rounding left a crumb
}
