// The head of a model whose vocabulary ranks share: each makes the logits of its own tokens.

import { add, pad, slice, tidy, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import { call, product } from "@tessera/kernels";
import {
  lmHeadSpec,
  type LmHead,
  type LmHeadOptions,
  type LmHeadParams,
} from "@tessera/layers/parallel";
import { vocabularyRange } from "@tessera/params";
import type { RegionComm } from "./region_comm.js";
import { markTensorParallel } from "./mark_tensor_parallel.js";
import { computeLossAndGradients, computeLoss } from "./vocab_parallel_cross_entropy.js";

export function vocabParallelHead(
  options: LmHeadOptions,
  comm: RegionComm,
  group: ProcessGroup,
): LmHead<LmHeadParams> {
  const { vocabulary } = options;
  const { start: firstToken } = vocabularyRange(vocabulary, {
    index: group.rank,
    count: group.size,
  });
  const gathered = <R>(x: Tensor, use: (whole: Tensor) => R): R => {
    const whole = comm.gather(x).wait();
    const result = use(whole);
    whole.dispose();
    return result;
  };
  return {
    spec: markTensorParallel<LmHeadParams>(lmHeadSpec(options)),
    loss: ({ table, bias }, x, targets) =>
      gathered(x, (whole) => computeLoss({ group, firstToken, x: whole, table, bias, targets })),
    lossAndGradient({ table, bias }, x, targets, sink) {
      const { loss, dx, dTable, dBias } = gathered(x, (whole) =>
        computeLossAndGradients({ group, firstToken, x: whole, table, bias, targets }),
      );
      const sum = comm.reduce(dx);
      dx.dispose();
      sink.table(dTable());
      if (dBias !== null) sink.bias!(dBias);
      return { loss, dx: sum.wait() };
    },
    logits({ table, bias }, x) {
      const own = gathered(x, (whole) =>
        tidy(() => {
          const { y } = call(product, { x: whole, weight: table }, { transpose: true });
          return bias === undefined ? y : add<Tensor>(y, bias);
        }),
      );
      return gatherLogits(own, vocabulary, group);
    },
  };
}

/** The logits [batch, time, vocabulary] of each rank's own [batch, time, held tokens]. Uses them up. */
function gatherLogits(own: Tensor, vocabulary: number, group: ProcessGroup): Tensor {
  const [batch, time, size] = own.shape as [number, number, number];
  // The first rank holds most.
  const missing = vocabularyRange(vocabulary, { index: 0, count: group.size }).size - size;
  const none = [0, 0] as [number, number];
  const even = missing === 0 ? own.clone() : tidy(() => pad(own, [none, none, [0, missing]]));
  own.dispose();
  const all = group.allGather(even, 2).wait();
  even.dispose();
  const logits = slice(all, [0, 0, 0], [batch, time, vocabulary]);
  all.dispose();
  return logits;
}
