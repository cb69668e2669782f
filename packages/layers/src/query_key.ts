// What becomes of queries and keys before they attend: norms over the elements of each head, and rotation by their
// positions. Each may be absent.

import { stack, unstack, type Tensor } from "@tensorflow/tfjs-core";
import { call, rmsNorm, rmsNormGradient, rotary as rotaryKernel } from "@tessera/kernels";
import { vector, type GradientSink, type ParamSpec } from "@tessera/params";
import { reshapeAndDispose } from "./and_dispose.js";
import type { RmsNormParams, RmsNormSaved } from "./rms_norm.js";
import { rotaryAngles, type Rotary, type RotaryAngles } from "./rotary.js";

/** RMS norms (Henry et al., 2020). A gain serves all heads: under tensor parallelism each rank has a term of its gradient. */
export type QueryKeyParams = {
  readonly queryNorm?: RmsNormParams;
  readonly keyNorm?: RmsNormParams;
};
/** What the norms save for backward. */
export type QueryKeySaved = {
  readonly queryNorm?: RmsNormSaved;
  readonly keyNorm?: RmsNormSaved;
};

/** q [batch, time, heads, depth] and kv [batch, time, 2, KV heads, depth], or their gradients. */
interface Heads {
  readonly q: Tensor;
  readonly kv: Tensor;
}

interface QueryKeyOptions {
  readonly headSize: number;
  /** Null for no rotation. */
  readonly rotary: Rotary | null;
  /** Added to the mean square in norms; null for no norms. */
  readonly normEpsilon: number | null;
}

/** How queries and keys are prepared, and the way back of their gradients. */
export function queryKey({ headSize, rotary, normEpsilon: epsilon }: QueryKeyOptions) {
  const turns = rotary && { ...rotaryAngles(rotary, headSize), pairs: rotary.pairs };
  const norm = (): { readonly gain: ParamSpec } => ({ gain: vector([headSize], null, 1) });
  return {
    spec: epsilon === null ? {} : { queryNorm: norm(), keyNorm: norm() },

    /** Consumes `heads`. `firstPositions`: of each row's first token, or one for all rows. Default: 0. */
    forward(
      { queryNorm, keyNorm }: QueryKeyParams,
      heads: Heads,
      firstPositions: readonly number[] = [0],
    ): readonly [heads: Heads, saved: QueryKeySaved] {
      const turn = ({ q, kv }: Heads): Heads => ({
        q: rotate(q, turns, firstPositions),
        kv: rotate(kv, turns, firstPositions),
      });
      if (epsilon === null) return [turn(heads), {}];
      const [q, querySaved] = normalize(queryNorm!, heads.q, epsilon);
      const [keys, values] = takeKeys(heads.kv);
      const [k, keySaved] = normalize(keyNorm!, keys, epsilon);
      return [turn({ q, kv: withValues(k, values) }), { queryNorm: querySaved, keyNorm: keySaved }];
    },

    /** The gradients of what `forward` was given. Consumes `gradients` and `saved`. */
    backward(
      { queryNorm, keyNorm }: QueryKeyParams,
      saved: QueryKeySaved,
      gradients: Heads,
      sink: GradientSink<QueryKeyParams>,
    ): Heads {
      const q = rotate(gradients.q, turns, [0], true);
      const kv = rotate(gradients.kv, turns, [0], true);
      if (epsilon === null) return { q, kv };
      const [dKeys, dValues] = takeKeys(kv);
      return {
        q: normalizeBackward(queryNorm!, saved.queryNorm!, q, sink.queryNorm!),
        kv: withValues(normalizeBackward(keyNorm!, saved.keyNorm!, dKeys, sink.keyNorm!), dValues),
      };
    },
  };
}

/** How heads of one size turn. */
type Turns = RotaryAngles & Pick<Rotary, "pairs">;

/**
 * Rotates queries [batch, time, heads, depth], or the keys of keyValue [batch, time, 2, heads, depth], by their
 * positions; or back, as gradients are. Consumes x.
 */
function rotate(
  x: Tensor,
  turns: Turns | null,
  starts: readonly number[],
  inverse = false,
): Tensor {
  if (turns === null) return x;
  const [batch, time] = x.shape as [number, number];
  const [heads, depth] = x.shape.slice(-2) as [number, number];
  const flat = reshapeAndDispose(x, [batch, time, -1, depth]);
  const attributes = { ...turns, heads, starts, inverse };
  return reshapeAndDispose(call(rotaryKernel, { x: flat }, attributes).y, x.shape);
}

/** x, normalized. Consumes x. */
function normalize({ gain }: RmsNormParams, x: Tensor, epsilon: number): [Tensor, RmsNormSaved] {
  const { y, rstd } = call(rmsNorm, { x, gain }, { epsilon });
  return [y, { x, rstd }];
}

/** The gradient of x. Consumes `saved` and dy. */
function normalizeBackward(
  { gain }: RmsNormParams,
  { x, rstd }: RmsNormSaved,
  dy: Tensor,
  sink: GradientSink<RmsNormParams>,
): Tensor {
  const { dx, dGain } = call(rmsNormGradient, { x, gain, rstd, dy }, {});
  for (const spent of [x, rstd, dy]) spent.dispose();
  sink.gain(dGain);
  return dx;
}

/** Keys and values, apart. Consumes kv. */
function takeKeys(kv: Tensor): [keys: Tensor, values: Tensor] {
  const [keys, values] = unstack(kv, 2) as [Tensor, Tensor];
  kv.dispose();
  return [keys, values];
}

/** Consumes both. */
function withValues(keys: Tensor, values: Tensor): Tensor {
  const kv = stack([keys, values], 2);
  keys.dispose();
  values.dispose();
  return kv;
}
