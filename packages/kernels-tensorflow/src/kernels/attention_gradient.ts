// The gradient of causal attention, some queries at a time. It recomputes the probabilities, as FlashAttention does.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { TensorFlowBackend } from "../backend.js";
import { TYPES } from "../binding.js";
import type { KernelCall } from "../contract.js";
import type { Value } from "../graph.js";
import { opsOf } from "../ops.js";
import type { Emit } from "../programs.js";
import { Scratch } from "../scratch.js";
import { typeOf } from "../tensor_data.js";
import {
  blockKey,
  blocksOf,
  extentsKey,
  extentsOf,
  hiddenScores,
  joinBlocks,
  keep,
  keptOf,
  perGroup,
  settingsOf,
  sliceBlock,
  splitHeads,
  type Block,
  type Extents,
  type Settings,
} from "./attention_blocks.js";
import { multiply } from "./products.js";

const { fp32, int32 } = TYPES;

/** dS in the storage of the products, and the probabilities that were kept. */
const emitSlopes =
  (block: Block, at: Extents, settings: Settings): Emit =>
  (graph, [products, dProbabilities, logSumExp, starts, mask]) => {
    const { sub, mul, sum, unary, slice, wide } = opsOf(graph);
    const { batch, heads } = at;
    const { first, end } = block;
    const { scale, rate } = settings;
    const nats = slice(logSumExp!, [0, 0, first], [batch, heads, end - first]);
    const all = hiddenScores(graph, products!, starts, block, { at, settings });
    const shares = unary("Exp", sub(all, graph.reshape(nats, [batch, heads, end - first, 1])));
    const dShares = keep(graph, graph.reshape(wide(dProbabilities!), all.shape), mask, rate);
    const along = sum(mul(shares, dShares), [3], true);
    const dScores = mul(mul(shares, sub(dShares, along)), scale);
    const narrow = (x: Value): Value =>
      graph.cast(graph.reshape(x, products!.shape), products!.type);
    return [narrow(keep(graph, shares, mask, rate)), narrow(dScores)];
  };

/** `sum`, in fp32, with `part` added to what it begins with. Consumes both. */
function addInto(backend: TensorFlowBackend, sum: TensorInfo | null, part: TensorInfo): TensorInfo {
  if (sum === null) return part;
  const [total] = backend.run({
    key: "addInto",
    inputs: [sum, part],
    emit(graph, [all, some]) {
      const { add } = opsOf(graph);
      const missing = all!.shape[1]! - some!.shape[1]!;
      const paddings = graph.constant(Int32Array.of(0, 0, 0, missing, 0, 0), int32, [3, 2]);
      const padded = graph.op("Pad", [some!, paddings], [["Tpaddings", "type", int32]]);
      return [add(graph.cast(all!, fp32), graph.cast(padded, fp32))];
    },
  });
  for (const { dataId } of [sum, part]) backend.disposeData(dataId);
  return total!;
}

/** dKeys and dValues [B G, T, D] as [B, T, 2, G, D], of `type`. */
function joinKeyValue(
  backend: TensorFlowBackend,
  [dKeys, dValues]: readonly [TensorInfo, TensorInfo],
  type: number,
  at: Extents,
): TensorInfo {
  const { batch, time, groups, depth } = at;
  const [joined] = backend.run({
    key: `joinKeyValue${type},${extentsKey(at)}`,
    inputs: [dKeys, dValues],
    emit(graph, halves) {
      const { transpose, concat } = opsOf(graph);
      const parts = halves.map((half) => {
        const heads = graph.reshape(graph.cast(half!, type), [batch, groups, time, depth]);
        return graph.reshape(transpose(heads, [0, 2, 1, 3]), [batch, time, 1, groups, depth]);
      });
      return [concat(parts, 2)];
    },
  });
  for (const { dataId } of [dKeys, dValues]) backend.disposeData(dataId);
  return joined!;
}

export function causalAttentionGradient(call: KernelCall): TensorInfo[] {
  const { backend, inputs } = call;
  const { query, keyValue, starts, logSumExp, dy } = inputs;
  const at = extentsOf(query!, keyValue!);
  const settings = settingsOf(call);
  const scratch = new Scratch(backend);
  const [q, k, v] = splitHeads(backend, scratch, query!, keyValue!, at);
  const [dHeads] = backend
    .run({
      key: `dHeads${extentsKey(at)}`,
      inputs: [dy!],
      emit: (graph, [slopes]) => [perGroup(graph, slopes!, at)],
    })
    .map((one) => scratch.hold(one)) as [TensorInfo];
  let dKeys: TensorInfo | null = null;
  let dValues: TensorInfo | null = null;
  const dQueries: TensorInfo[] = [];
  // The last block first: it sees all keys.
  for (const block of blocksOf(at).toReversed()) {
    const own = new Scratch(backend);
    const sliced = sliceBlock(backend, own, [q, dHeads], [k, v], block);
    const [queries, dOutputs] = sliced.queries as [TensorInfo, TensorInfo];
    const [keys, values] = sliced.keys as [TensorInfo, TensorInfo];
    const scores = own.hold(multiply(backend, queries, keys, { b: true }));
    const dShares = own.hold(multiply(backend, dOutputs, values, { b: true }));
    const kept = keptOf(backend, settings, block);
    if (kept) own.hold(kept);
    const [shares, dScores] = backend
      .run({
        key: `slopes${blockKey(block)},${settings.scale},${settings.window},${settings.rate},${extentsKey(at)}`,
        inputs: [scores, dShares, logSumExp!, starts ?? undefined, kept],
        emit: emitSlopes(block, at, settings),
      })
      .map((one) => own.hold(one)) as [TensorInfo, TensorInfo];
    dValues = addInto(backend, dValues, multiply(backend, shares, dOutputs, { a: true }));
    dKeys = addInto(backend, dKeys, multiply(backend, dScores, queries, { a: true }));
    dQueries.unshift(multiply(backend, dScores, keys));
    own.release();
  }
  scratch.release();
  return [
    joinBlocks(backend, dQueries, at),
    joinKeyValue(backend, [dKeys!, dValues!], typeOf(backend.storageOf(keyValue!)!), at),
  ];
}
