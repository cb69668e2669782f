// Gradients of a step, summed over micro-batches, and handed on in buckets as backward fills them.

import { zeros, type Tensor } from "@tensorflow/tfjs-core";
import {
  addGradient,
  computed,
  mapTree,
  type Gradient,
  type Sink,
  type Tree,
} from "@tessera/layers";
import type { Bucket } from "./buckets.js";
import { pack } from "./flat.js";

/** How often a backward pass gave each parameter a gradient; learned in a run's first pass. */
export type Arrivals = Map<string, number>;

export interface BucketCollector {
  /** Whether full buckets go on at the end of this pass, or sums wait for the next. */
  readonly begin: (handsOn: boolean) => void;
  readonly receive: (path: string, gradient: Gradient) => void;
  /** Hands on what is left: parameters that had no gradient count as zeros. */
  readonly finish: () => void;
}

/**
 * Sums gradients by path. In a pass that hands on, each bucket is given to `reduce`, flat, as soon as
 * all its parameters have had as many gradients as a pass gives them.
 */
export function bucketCollector(
  buckets: readonly Bucket[],
  arrivals: Arrivals,
  reduce: (bucket: Bucket, flat: Tensor) => void,
): BucketCollector {
  const bucketOf = new Map(
    buckets.flatMap((bucket) => bucket.places.map(({ path }) => [path, bucket] as const)),
  );
  const isLearned = arrivals.size > 0;
  const sums = new Map<string, Tensor>();
  let isHandingOn = false;
  let counts = new Map<string, number>();
  let left = new Map<Bucket, number>();
  const gone = new Set<Bucket>();

  const handOn = (bucket: Bucket): void => {
    gone.add(bucket);
    const made: Tensor[] = [];
    const flat = pack(bucket, (path) => {
      const sum = sums.get(path) ?? zeros([...bucket.places.find((p) => p.path === path)!.shape]);
      sums.delete(path);
      made.push(sum);
      return sum;
    });
    for (const spent of made) spent.dispose();
    reduce(bucket, flat);
  };

  const finish = (): void => {
    for (const bucket of buckets) if (!gone.has(bucket)) handOn(bucket);
  };

  const begin = (handsOn: boolean): void => {
    // A run's first step adds up in the order of all others, so that a resumed run is the same to the bit.
    if (isHandingOn && !isLearned) finish();
    isHandingOn = handsOn;
    counts = new Map();
    left = new Map(buckets.map((bucket) => [bucket, bucket.places.length]));
    gone.clear();
  };

  return {
    begin,
    receive(path, gradient) {
      const bucket = bucketOf.get(path)!;
      if (gone.has(bucket)) throw new Error(`${path}: a gradient came after its sum was sent`);
      const sum = sums.get(path);
      sums.set(path, sum ? addGradient(sum, gradient) : computed(gradient));
      const count = (counts.get(path) ?? 0) + 1;
      counts.set(path, count);
      if (!isLearned) arrivals.set(path, Math.max(count, arrivals.get(path) ?? 0));
      if (!isHandingOn || !isLearned || count !== arrivals.get(path)) return;
      left.set(bucket, left.get(bucket)! - 1);
      if (left.get(bucket) === 0) handOn(bucket);
    },
    finish,
  };
}

/** A sink that passes each gradient on with its path. */
export const sinkInto = <P extends Tree>(
  params: P,
  receive: (path: string, gradient: Gradient) => void,
): Sink<P> =>
  mapTree(params, (_leaf: Tensor, path) => (gradient: Gradient) => receive(path, gradient));
