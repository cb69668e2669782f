// Where in a training run a layer is called: what its random numbers are a function of, and which
// documents its rows hold.

import type { Tensor } from "@tensorflow/tfjs-core";
import { streamKey, type Key } from "@tessera/random";
import type { KvCacheView } from "./kv_cache.js";
import { joinPath } from "@tessera/params";

export interface ForwardContext {
  readonly seed: number;
  /** Optimizer steps taken before this one. */
  readonly step: number;
  /** Whether dropout acts. */
  readonly training: boolean;
  /** The first of this call's rows among all rows of the step, over micro-batches and ranks. */
  readonly firstRow: number;
  /** All rows of the step. */
  readonly rows: number;
  /** Names that lead to the layer being called, as they lead to its parameters. */
  readonly path: string;
  /** Of each token of the rows, [batch, time] (int32); its place in the row where absent. Borrowed. */
  readonly positions?: Tensor | undefined;
  /**
   * The first token of its row that each token sees, [batch, time] (int32), which never falls along a
   * row; the row's first where absent. Borrowed, and needed until backward.
   */
  readonly starts?: Tensor | undefined;
  /** What the rows continue, where text is written: a call without backward. */
  readonly cache?: KvCacheView;
}

/** A call without randomness: evaluation, generation. */
export const evalContext: ForwardContext = {
  seed: 0,
  step: 0,
  training: false,
  firstRow: 0,
  rows: 1,
  path: "",
};

/** The same step, seen from the layer `name` inside the current one. */
export const childContext = (ctx: ForwardContext, name: string): ForwardContext => ({
  ...ctx,
  path: joinPath(ctx.path, name),
});

/** The key of the random numbers that the layer at `at.path` draws in this step. */
export const rngKey = (ctx: ForwardContext): Key =>
  streamKey(ctx.seed, `${ctx.path} step ${ctx.step}`);
