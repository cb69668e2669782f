// A model of Tessera as an engine, on the tfjs backend that computes.

import { dispose, slice, tensor } from "@tensorflow/tfjs-core";
import { evalContext } from "@tessera/layers";
import { createKvCache } from "@tessera/layers/cache";
import type { Tree } from "@tessera/params";
import type { FullModel } from "@tessera/model";
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
  return {
    name: "native",
    vocabularySize: options.vocabularySize,
    maxPositions,
    rows,
    run({ firstRow, lengths, ids, keep }) {
      const time = ids.length / lengths.length;
      const x = tensor(ids, [lengths.length, time], "int32");
      const y = model.activations(params, x, {
        ...evalContext,
        cache: cache.view(firstRow, lengths),
      });
      const last = slice(y, [0, time - keep, 0], [lengths.length, keep, hiddenSize]);
      const logits = model.logits(params, last);
      const values = logits.dataSync<"float32">();
      dispose([x, y, last, logits]);
      return Promise.resolve(values);
    },
    copyRow: (from, to) => cache.copy(from, to),
    close() {
      cache.dispose();
      return Promise.resolve();
    },
  };
}
