// Causal attention, some queries at a time: they see no keys behind them, and memory does not grow with the square of
// the context.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { TensorFlowBackend } from "../backend.js";
import type { KernelCall } from "../contract.js";
import type { Value } from "../graph.js";
import { opsOf } from "../ops.js";
import { Scratch } from "../scratch.js";
import {
  blockKey,
  blocksOf,
  extentsKey,
  extentsOf,
  hiddenScores,
  joinBlocks,
  keep,
  keptOf,
  settingsOf,
  sliceBlock,
  softmaxParts,
  splitHeads,
  type Block,
  type Extents,
  type Settings,
} from "./attention_blocks.js";
import { multiply } from "./products.js";

/** Of a block's queries: the products with values, and the log-sum-exp of scores [B, H, T']. */
function attendBlock(
  backend: TensorFlowBackend,
  [q, k, v]: readonly [TensorInfo, TensorInfo, TensorInfo],
  starts: TensorInfo | undefined,
  block: Block,
  { at, settings }: { readonly at: Extents; readonly settings: Settings },
) {
  const scratch = new Scratch(backend);
  const { queries, keys } = sliceBlock(backend, scratch, [q], [k, v], block);
  const scores = scratch.hold(multiply(backend, queries[0]!, keys[0]!, { b: true }));
  const kept = keptOf(backend, settings, block);
  if (kept) scratch.hold(kept);
  const { scale, window, rate } = settings;
  const [probabilities, logSumExp] = backend.run({
    key: `softmax${blockKey(block)},${scale},${window},${rate},${extentsKey(at)}`,
    inputs: [scores, starts, kept],
    emit(graph, [products, first, mask]) {
      const all = hiddenScores(graph, products!, first, block, { at, settings });
      const { exps, total, nats } = softmaxParts(graph, all);
      const shares = keep(graph, opsOf(graph).div(exps, total), mask, rate);
      const { batch, heads } = at;
      const rows = graph.reshape(nats, [batch, heads, block.end - block.first]);
      return [graph.cast(graph.reshape(shares, products!.shape), products!.type), rows];
    },
  });
  scratch.hold(probabilities!);
  const y = multiply(backend, probabilities!, keys[1]!);
  scratch.release();
  return { y, logSumExp: logSumExp! };
}

export function causalAttention(call: KernelCall): TensorInfo[] {
  const { backend, inputs } = call;
  const { query, keyValue, starts } = inputs;
  const at = extentsOf(query!, keyValue!);
  const scratch = new Scratch(backend);
  const heads = splitHeads(backend, scratch, query!, keyValue!, at);
  const settings = settingsOf(call);
  const made = blocksOf(at).map((block) =>
    attendBlock(backend, heads, starts ?? undefined, block, { at, settings }),
  );
  scratch.release();
  const [logSumExp] = backend.run({
    key: "joinSums",
    inputs: made.map((one) => one.logSumExp),
    emit: (graph, parts) => [opsOf(graph).concat(parts as Value[], 2)],
  });
  for (const one of made) backend.disposeData(one.logSumExp.dataId);
  return [
    joinBlocks(
      backend,
      made.map(({ y }) => y),
      at,
    ),
    logSumExp!,
  ];
}
