// Gradients of a step, summed over micro-batches, and handed on in buckets as backward fills them.

import { zeros, type Tensor } from "@tensorflow/tfjs-core";
import {
  accumulateGradient,
  resolveGradient,
  mapTree,
  type Gradient,
  type GradientSink,
  type Tree,
} from "@tessera/params";
import type { Bucket } from "./buckets.js";
import { pack } from "./flat_buffer.js";

export interface BucketReducer {
  /** Whether full buckets go on in this pass, or sums wait for the next. */
  readonly begin: (handsOn: boolean) => void;
  readonly receive: (path: string, gradient: Gradient) => void;
  /** Hands on what is left: parameters that had no gradient count as zeros. */
  readonly flush: () => void;
}

/**
 * Sums gradients by path. In a pass that hands on, each bucket is given to `reduce`, flat, as soon as
 * all its parameters have had as many gradients as a pass gives them.
 */
export function createBucketReducer(
  buckets: readonly Bucket[],
  reduce: (bucket: Bucket, flat: Tensor) => void,
): BucketReducer {
  const bucketOf = new Map(
    buckets.flatMap((bucket) => bucket.slots.map(({ path }) => [path, bucket] as const)),
  );
  const sums = new Map<string, Tensor>();
  let isHandingOn = false;
  /** Gradients that a bucket's parameters are yet to have in this pass. */
  let left = new Map<Bucket, number>();
  const gone = new Set<Bucket>();

  const handOn = (bucket: Bucket): void => {
    gone.add(bucket);
    const made: Tensor[] = [];
    const flat = pack(bucket, (path) => {
      const sum = sums.get(path) ?? zeros([...bucket.slots.find((p) => p.path === path)!.shape]);
      sums.delete(path);
      made.push(sum);
      return sum;
    });
    for (const spent of made) spent.dispose();
    reduce(bucket, flat);
  };

  return {
    begin(handsOn) {
      isHandingOn = handsOn;
      left = new Map(buckets.map((bucket) => [bucket, countGradients(bucket)]));
      gone.clear();
    },
    receive(path, gradient) {
      const bucket = bucketOf.get(path)!;
      if (gone.has(bucket)) throw new Error(`${path}: a gradient came after its sum was sent`);
      const sum = sums.get(path);
      sums.set(path, sum ? accumulateGradient(sum, gradient) : resolveGradient(gradient));
      left.set(bucket, left.get(bucket)! - 1);
      if (isHandingOn && left.get(bucket) === 0) handOn(bucket);
    },
    flush() {
      for (const bucket of buckets) if (!gone.has(bucket)) handOn(bucket);
    },
  };
}

/** How many gradients a pass gives a bucket's parameters together. */
const countGradients = ({ slots }: Bucket): number =>
  slots.reduce((sum, { gradientCount }) => sum + gradientCount, 0);

/** A sink that passes each gradient on with its path. */
export const createSink = <P extends Tree>(
  params: P,
  receive: (path: string, gradient: Gradient) => void,
): GradientSink<P> =>
  mapTree(params, (_leaf: Tensor, path) => (gradient: Gradient) => receive(path, gradient));
