// What a layer's forward and backward depend on besides parameters and x: the random streams of the step, and which
// documents and positions its rows have.

import type { Tensor } from "@tensorflow/tfjs-core";
import { joinPath } from "@tessera/params";
import { streamKey, type Key } from "@tessera/random";
import type { KvCacheView } from "./kv_cache.js";

/** All that forward and backward depend on besides parameters and x. */
export interface ForwardContext {
  readonly seed: number;
  /** Optimizer steps before this one. */
  readonly step: number;
  /** Whether dropout is applied. */
  readonly training: boolean;
  /** Index of this call's first row among all rows of the step, over microbatches and ranks. */
  readonly firstRow: number;
  /** Number of rows of the step. */
  readonly rows: number;
  /** Path of the layer that is called, like that of its parameters. */
  readonly path: string;
  /** Position of each token, [batch, time] (int32). Borrowed. Default: its index in the row. */
  readonly positions?: Tensor | undefined;
  /**
   * Index in the row of the first token that each token attends to, [batch, time] (int32), non-decreasing along a
   * row: the start of its document. Borrowed until backward. Default: 0.
   */
  readonly starts?: Tensor | undefined;
  /** Keys and values of the tokens before this call's, in generation. Such a call has no backward. */
  readonly cache?: KvCacheView;
}

/** The context of evaluation and generation: no dropout. */
export const evalContext: ForwardContext = {
  seed: 0,
  step: 0,
  training: false,
  firstRow: 0,
  rows: 1,
  path: "",
};

/** The context of the layer `name` inside the current one. */
export const childContext = (ctx: ForwardContext, name: string): ForwardContext => ({
  ...ctx,
  path: joinPath(ctx.path, name),
});

/** The key of the random stream of the layer at `ctx.path` in this step. */
export const rngKey = (ctx: ForwardContext): Key =>
  streamKey(ctx.seed, `${ctx.path} step ${ctx.step}`);
