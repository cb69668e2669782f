// Gradients of a step, accumulated over microbatches and reduced in buckets as soon as backward has filled them.

import { zeros, type Tensor } from "@tensorflow/tfjs-core";
import { accumulateGradient, resolveGradient, type Gradient } from "@tessera/params";
import { claim, type Placed } from "@tessera/params/placement";
import type { Bucket } from "./buckets.js";
import { pack } from "./flat_buffer.js";

/** Accumulates and reduces the gradients of one step. */
export interface BucketReducer {
  /** Starts a backward pass. Buckets that it fills are reduced if `isReducing`, else they accumulate further. */
  readonly begin: (isReducing: boolean) => void;
  readonly receive: (path: string, gradient: Gradient) => void;
  /** Reduces the remaining buckets; parameters without a gradient count as zeros. */
  readonly flush: () => void;
}

/**
 * Accumulates gradients by path. In a pass that reduces, each bucket is flattened and given to `reduce` as soon as
 * all its parameters have received their `gradientCount` gradients. `reduce` borrows `flat`.
 */
export function createBucketReducer(
  buckets: readonly Bucket[],
  reduce: (bucket: Bucket, flat: Placed<"partial", "data">) => void,
): BucketReducer {
  const bucketByPath = new Map(
    buckets.flatMap((bucket) => bucket.slots.map(({ path }) => [path, bucket] as const)),
  );
  const sums = new Map<string, Tensor>();
  let isReducing = false;
  /** Gradients that a bucket's parameters have yet to receive in this pass. */
  let remaining = new Map<Bucket, number>();
  const reduced = new Set<Bucket>();

  const reduceBucket = (bucket: Bucket): void => {
    reduced.add(bucket);
    const gradients = new Map(
      bucket.slots.map(({ path, shape }) => [path, sums.get(path) ?? zeros([...shape])]),
    );
    const flat = claim<"partial", "data">(pack(bucket, (path) => gradients.get(path)!));
    for (const [path, gradient] of gradients) {
      sums.delete(path);
      gradient.dispose();
    }
    reduce(bucket, flat);
    flat.dispose();
  };

  return {
    begin(reducing) {
      isReducing = reducing;
      remaining = new Map(buckets.map((bucket) => [bucket, countGradients(bucket)]));
      reduced.clear();
    },
    receive(path, gradient) {
      const bucket = bucketByPath.get(path)!;
      if (reduced.has(bucket)) {
        throw new Error(`${path}: received a gradient after its bucket was reduced`);
      }
      const sum = sums.get(path);
      sums.set(path, sum ? accumulateGradient(sum, gradient) : resolveGradient(gradient));
      remaining.set(bucket, remaining.get(bucket)! - 1);
      if (isReducing && remaining.get(bucket) === 0) reduceBucket(bucket);
    },
    flush() {
      for (const bucket of buckets) if (!reduced.has(bucket)) reduceBucket(bucket);
    },
  };
}

/** Gradients that a backward pass produces for a bucket's parameters. */
const countGradients = ({ slots }: Bucket): number =>
  slots.reduce((sum, { gradientCount }) => sum + gradientCount, 0);
