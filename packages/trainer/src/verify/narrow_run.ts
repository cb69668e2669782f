// A run in small: what is trained in its place to see whether its layout changes numbers. Layers, heads, kinds and the
// layout are the run's; its width, vocabulary, tokens and steps are few.

import type { Batch, Feed } from "@tessera/data";
import type { Tree } from "@tessera/params";
import { resolveRun } from "../run/resolve_run.js";
import type { BatchConfig, PrecisionConfig, RunConfig, RunData } from "../run/run_config.js";

/** Tokens of a sequence, and rows of a microbatch, at most. */
const [TOKENS, ROWS] = [16, 2];
/** A rate at which few steps change weights by more than rounding does. */
const RATE = { kind: "constant", peak: 1e-3, floor: 0, warmup: 0, total: 100 } as const;
/** So small that no gradient of a few tokens overflows. */
const LOSS_SCALE = { initial: 2 ** 10, minimum: 1, window: 1000, hysteresis: 1 };

/** A run in small, on all of its ranks and on one. */
export interface NarrowRun<P extends Tree = Tree> {
  readonly config: RunConfig<P>;
  /** The same on one rank, which recomputes nothing, with so many samples a step. */
  readonly alone: (globalBatch: number) => RunConfig<P>;
  /** What is not as in the run, for people. */
  readonly notes: readonly string[];
}

/**
 * `config` in small, for `ranks` ranks.
 * @throws UserError where the run could not be.
 */
export function narrowRun<P extends Tree>(config: RunConfig<P>, ranks: number): NarrowRun<P> {
  const { batch: full, parallel } = resolveRun(config, ranks);
  const { tensor, pipeline } = parallel;
  const tokens = tensor * Math.ceil(TOKENS / tensor);
  const narrow = config.model.narrow?.(tokens);
  const model = narrow?.model ?? config.model;
  const vocabulary = narrow?.vocabularySize ?? Infinity;
  const batch: BatchConfig = {
    micro: Math.min(full.microBatch, ROWS),
    // The interleaved schedule needs as many microbatches as there are stages.
    accumulation: Math.min(full.accumulation, Math.max(pipeline, 2)),
  };
  const { resume: _resume, checkpoints: _folder, recompute, weights: _weights, ...rest } = config;
  const common: RunConfig<P> = {
    ...rest,
    model,
    data: async (request) => {
      const { data } = config;
      const opened = typeof data === "function" ? await data(request) : data;
      return narrowData(opened, tokens, vocabulary);
    },
    batch,
    duration: { steps: 1 },
    schedule: RATE,
    resumedPart: "state",
    evaluation: {},
    logInterval: 1,
    replicaCheckInterval: 1,
    ...(config.precision !== undefined && { precision: withLossScale(config.precision) }),
  };
  return {
    config: { ...common, ...(recompute !== undefined && { recompute }) },
    alone: (global) => ({ ...common, parallel: {}, batch: { micro: batch.micro, global } }),
    notes: [
      narrow === undefined
        ? "the model has no narrow form: it is verified in full"
        : `${model.layerCount} layers, of width ${model.hiddenSize} in place of ${config.model.hiddenSize}; ` +
          `${vocabulary} ids`,
      `samples of ${tokens} tokens in microbatches of ${batch.micro}; each step has ${batch.accumulation!} on a rank`,
    ],
  };
}

const withLossScale = (precision: PrecisionConfig): PrecisionConfig =>
  precision.storage === "fp16" ? { ...precision, lossScaling: LOSS_SCALE } : precision;

const narrowData = ({ train }: RunData, tokens: number, vocabulary: number): RunData => ({
  train: narrowFeed(train.direct ?? train, tokens, vocabulary),
});

/** The first tokens of each sample of `feed`, whose ids are taken modulo the vocabulary. */
function narrowFeed(feed: Feed, tokens: number, vocabulary: number): Feed {
  const length = Math.min(feed.length, tokens);
  return {
    count: feed.count,
    length,
    batch(first, size) {
      const batch = feed.batch(first, size);
      const ids = (from: Int32Array): Int32Array =>
        cut(from, batch, length).map((id) => (vocabulary === Infinity ? id : id % vocabulary));
      return {
        inputs: ids(batch.inputs),
        targets: ids(batch.targets),
        batch: batch.batch,
        time: length,
        lossMask: batch.lossMask && cut(batch.lossMask, batch, length),
        positions: batch.positions && cut(batch.positions, batch, length),
        starts: batch.starts && cut(batch.starts, batch, length),
      };
    },
  };
}

/** The first `length` of each row of `values` [batch, time]. */
function cut<A extends Int32Array | Float32Array>(
  values: A,
  { batch, time }: Pick<Batch, "batch" | "time">,
  length: number,
): A {
  const rows = values.slice(0, batch * length) as A;
  for (let row = 0; row < batch; row += 1) {
    rows.set(values.subarray(row * time, row * time + length), row * length);
  }
  return rows;
}
