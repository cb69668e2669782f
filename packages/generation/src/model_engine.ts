// A model of Tessera as an engine, on the tfjs backend that computes.

import { dispose, slice, tensor, type Tensor } from "@tensorflow/tfjs-core";
import { evalContext, type ForwardContext } from "@tessera/layers";
import { createKvCache } from "@tessera/layers/cache";
import type { Tree } from "@tessera/params";
import type { FullModel } from "@tessera/model";
import { decodeSteps } from "./decode_steps.js";
import { engineSizes, type Engine, type EngineOptions, type ModelSizes } from "./engine.js";

/**
 * An engine over a causal model of any family. Borrows `params`; the cache of keys and values is its own, and takes
 * memory at the first call.
 * @param options sizes of the model, such as its configuration has, and of the engine.
 */
export function modelEngine<P extends Tree>(
  model: FullModel<P>,
  params: P,
  options: ModelSizes & EngineOptions,
): Engine {
  const { hiddenSize } = model.model;
  const { rows, maxPositions } = engineSizes(options, options);
  const cache = createKvCache(rows, maxPositions);
  /** Of the last `keep` tokens of each row. */
  const logitsOf = (ids: Tensor, keep: number, ctx: Partial<ForwardContext>): Tensor => {
    const [count, time] = ids.shape as [number, number];
    const y = model.activations(params, ids, { ...evalContext, ...ctx });
    const last = slice(y, [0, time - keep, 0], [count, keep, hiddenSize]);
    const logits = model.logits(params, last);
    dispose([y, last]);
    return logits;
  };
  const steps = decodeSteps(({ ids, positions, firstRow, lengths }) =>
    logitsOf(ids, 1, { positions, cache: cache.view(firstRow, lengths) }),
  );
  return {
    name: "native",
    vocabularySize: options.vocabularySize,
    maxPositions,
    rows,
    run({ firstRow, lengths, ids, keep }) {
      const time = ids.length / lengths.length;
      if (time === 1) return Promise.resolve(steps.run(firstRow, lengths, ids));
      const x = tensor(ids, [lengths.length, time], "int32");
      const logits = logitsOf(x, keep, { cache: cache.view(firstRow, lengths) });
      const values = logits.dataSync<"float32">();
      dispose([x, logits]);
      return Promise.resolve(values);
    },
    copyRow: (from, to) => cache.copy(from, to),
    close() {
      steps.dispose();
      cache.dispose();
      return Promise.resolve();
    },
  };
}
