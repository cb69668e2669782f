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
  /** Samples from tokens that are at least this fraction as likely as the likeliest; 0 for all. */
  readonly minP: number;
  /** Divides the positive logits of tokens that occurred before, and multiplies their negative ones. */
  readonly repetitionPenalty: number;
  /** Subtracted from the logits of tokens that were sampled before. */
  readonly presencePenalty: number;
  /** Subtracted from the logit of a token for each time that it was sampled before. */
  readonly frequencyPenalty: number;
  /** Added to the logits of these ids. */
  readonly logitBias: ReadonlyMap<number, number>;
  /** Token n is sampled with number n of this seed's stream. */
  readonly seed: number;
}

/** The likeliest token, always. */
export const greedy: Sampling = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: new Map(),
  seed: 0,
};

/** What penalties count: the ids before the token that is sampled. */
export interface TokenHistory {
  /** Prompt and text, as far as the model still sees them: what the repetition penalty is for. */
  readonly seen: Iterable<number>;
  /** What was sampled: what the presence and frequency penalties are for. */
  readonly sampled: Iterable<number>;
}

/**
 * Samples an id by `logits` [vocabulary] with `uniform`, a number in (0, 1). Order of steps: bias, penalties
 * (repetition: Keskar et al., 2019), temperature, top-k, top-p (Holtzman et al., 2020), min-p (Nguyen et al., 2024).
 */
export function sampleToken(
  logits: Float32Array,
  sampling: Sampling,
  uniform: number,
  history: TokenHistory = { seen: [], sampled: [] },
): number {
  const scores = adjustScores(logits, sampling, history);
  const best = argmax(scores);
  const max = scores[best]!;
  if (!Number.isFinite(max)) throw new Error(`the model gave a logit of ${max}`);
  if (sampling.temperature === 0) return best;
  const least = sampling.topK > 0 ? largest(scores, sampling.topK) : -Infinity;
  const weights = new Float64Array(scores.length);
  let total = 0;
  for (let id = 0; id < scores.length; id += 1) {
    if (!(scores[id]! >= least)) continue;
    weights[id] = Math.exp((scores[id]! - max) / sampling.temperature);
    total += weights[id]!;
  }
  if (sampling.topP < 1) total = keepNucleus(weights, total, sampling.topP);
  // The likeliest token has weight 1.
  if (sampling.minP > 0) total = dropBelow(weights, sampling.minP);
  return pickToken(weights, total * uniform, best);
}

function adjustScores(
  logits: Float32Array,
  { logitBias, repetitionPenalty, presencePenalty, frequencyPenalty }: Sampling,
  history: TokenHistory,
): Float64Array {
  const scores = new Float64Array(logits);
  const change = (id: number, by: (score: number) => number): void => {
    if (id < scores.length) scores[id] = by(scores[id]!);
  };
  for (const [id, bias] of logitBias) change(id, (score) => score + bias);
  if (repetitionPenalty !== 1) {
    for (const id of new Set(history.seen)) {
      change(id, (score) => (score > 0 ? score / repetitionPenalty : score * repetitionPenalty));
    }
  }
  if (presencePenalty !== 0 || frequencyPenalty !== 0) {
    const counts = new Map<number, number>();
    for (const id of history.sampled) counts.set(id, (counts.get(id) ?? 0) + 1);
    for (const [id, count] of counts) {
      change(id, (score) => score - presencePenalty - frequencyPenalty * count);
    }
  }
  return scores;
}

function argmax(scores: Float64Array): number {
  let [best, most] = [0, scores[0]!];
  for (let id = 1; id < scores.length; id += 1) {
    if (!(scores[id]! > most) && !Number.isNaN(most)) continue;
    best = id;
    most = scores[id]!;
  }
  return best;
}

/** The k-th largest score, found by Hoare's selection: sorting a vocabulary takes longer than a small model. */
function largest(scores: Float64Array, k: number): number {
  if (k >= scores.length) return -Infinity;
  const values = scores.slice();
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
  let [kept, least] = [0, Infinity];
  // At least the likeliest one is kept.
  for (let i = candidates.length - 1; i >= 0 && (kept < share * total || kept === 0); i -= 1) {
    least = candidates[i]!;
    kept += least;
  }
  return dropBelow(weights, least);
}

/** Zeroes the weights below `least`. Returns the sum of the others. */
function dropBelow(weights: Float64Array, least: number): number {
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
