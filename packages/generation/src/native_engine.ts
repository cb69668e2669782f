// The training model as an engine, on the tfjs backend that computes.

import { dispose, slice, tensor } from "@tensorflow/tfjs-core";
import type { Gpt, GptParams } from "@tessera/gpt";
import { evalContext } from "@tessera/layers";
import { createKvCache } from "@tessera/layers/cache";
import { roomOf, type Engine, type EngineOptions } from "./engine.js";

/** Borrows `params`; the cache is its own, and takes memory at the first call. */
export function nativeEngine(model: Gpt, params: GptParams, options: EngineOptions = {}): Engine {
  const { vocabularySize, hiddenSize } = model.config;
  const { rows, maxPositions } = roomOf(model.config, options);
  const cache = createKvCache(rows, maxPositions);
  return {
    name: "native",
    vocabularySize,
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
