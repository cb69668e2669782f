// Gradients of a step, reduced in buckets as soon as backward of a microbatch has filled them, in a fixed order.

import { zeros, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import { resolveGradient, type Gradient } from "@tessera/params";
import { claim } from "@tessera/params/placement";
import type { Bucket } from "./buckets.js";
import type { Reduced } from "./data_parallel.js";
import { pack } from "./flat_buffer.js";
import { createOrderedSums } from "./ordered_sums.js";
import { continueScatter } from "./pending_reductions.js";

/** Sums the gradients of one step, in the order of the global batch. */
export interface OrderedReducer {
  /** Starts the backward pass of the next microbatch. */
  readonly begin: () => void;
  readonly receive: (path: string, gradient: Gradient) => void;
  /** This rank's shard of each bucket's sum, by name. The caller owns them. */
  readonly finish: () => Readonly<Record<string, Reduced>>;
}

/** Reduces `buckets`. A parameter with several gradients has a bucket of its own, which each of them fills. */
export function createOrderedReducer(
  buckets: readonly Bucket[],
  group: ProcessGroup,
): OrderedReducer {
  const bucketByPath = new Map(
    buckets.flatMap((bucket) => bucket.slots.map(({ path }) => [path, bucket] as const)),
  );
  const sums = createOrderedSums();
  /** Gradients of this pass whose buckets are not full. */
  const waiting = new Map<string, Tensor>();

  /** How often buckets were reduced in this pass. */
  const reduced = new Map<Bucket, number>();

  const reduce = (bucket: Bucket): void => {
    reduced.set(bucket, (reduced.get(bucket) ?? 0) + 1);
    const gradients = new Map(
      bucket.slots.map(({ path, shape }) => [path, waiting.get(path) ?? zeros([...shape])]),
    );
    const flat = claim<"partial", "data">(pack(bucket, (path) => gradients.get(path)!));
    for (const [path, gradient] of gradients) {
      waiting.delete(path);
      gradient.dispose();
    }
    sums.add(bucket.name, continueScatter(flat, group));
  };
  const isWaiting = ({ path }: { readonly path: string }): boolean => waiting.has(path);
  const flush = (): void => {
    for (const bucket of buckets) if (bucket.slots.some(isWaiting)) reduce(bucket);
  };

  return {
    begin() {
      flush();
      reduced.clear();
      sums.begin();
    },
    receive(path, gradient) {
      const bucket = bucketByPath.get(path)!;
      if (waiting.has(path) || (reduced.get(bucket) ?? 0) >= bucket.slots[0]!.gradientCount) {
        throw new Error(`${path}: received a gradient after its bucket was reduced`);
      }
      waiting.set(path, resolveGradient(gradient));
      if (bucket.slots.every(isWaiting)) reduce(bucket);
    },
    finish() {
      flush();
      const taken = sums.take();
      return Object.fromEntries(
        buckets.map(({ name, size }) => [
          name,
          taken.get(name) ?? claim<"invariant", "data">(zeros([size / group.size])),
        ]),
      );
    },
  };
}
