// Log-probabilities of tokens, by the model's logits as they are: before bias, penalties and temperature.

/** A token and its log-probability, in nats. */
export interface TokenLogprob {
  readonly id: number;
  readonly logprob: number;
}

/** The log-probability of a token, and those of the likeliest ones in its place, from the likeliest on. */
export interface RankedToken extends TokenLogprob {
  readonly top: readonly TokenLogprob[];
}

/** The log-probability of any id under `logits` [vocabulary], in nats. */
export function logSoftmax(logits: Float32Array): (id: number) => number {
  let max = -Infinity;
  for (const logit of logits) max = Math.max(max, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - max);
  const logSum = Math.log(sum);
  return (id) => logits[id]! - max - logSum;
}

/** The log-probability of `id` under `logits` [vocabulary], and those of the `count` likeliest tokens. */
export function rankToken(logits: Float32Array, id: number, count: number): RankedToken {
  const logprobOf = logSoftmax(logits);
  const top: TokenLogprob[] = [];
  logits.forEach((_, other) => {
    const logprob = logprobOf(other);
    if (top.length === count && !(logprob > (top.at(-1)?.logprob ?? Infinity))) return;
    // Among equally likely tokens the one with the lower id comes first.
    const at = top.findIndex((one) => logprob > one.logprob);
    top.splice(at < 0 ? top.length : at, 0, { id: other, logprob });
    if (top.length > count) top.pop();
  });
  return { id, logprob: logprobOf(id), top };
}
