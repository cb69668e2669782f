// An LM head whose vocabulary is sharded over ranks: each computes the logits of its own tokens.

import { add, pad, slice, tidy, type Tensor } from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "@tessera/collectives";
import { call, product } from "@tessera/kernels";
import type { Outside } from "@tessera/layers/placement";
import {
  lmHeadSpec,
  type LmHead,
  type LmHeadOptions,
  type LmHeadParams,
} from "@tessera/layers/parallel";
import { vocabularyRange } from "@tessera/params";
import { isDiscarded } from "@tessera/params/frozen";
import { claim, type Placed, type Sharded } from "@tessera/params/placement";
import type { RegionComm } from "./region_comm.js";
import { markTensorParallel } from "./mark_tensor_parallel.js";
import { computeLossAndGradients, computeLoss } from "./vocab_parallel_cross_entropy.js";

/** An LM head with this rank's shard of the vocabulary. */
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
  /** Calls `use` with all tokens of x. */
  const withFullInput = <R>(x: Placed<Outside>, use: (full: Placed<"replicated">) => R): R => {
    const full = comm.gather(x).wait();
    const result = use(full);
    full.dispose();
    return result;
  };
  return {
    spec: markTensorParallel<LmHeadParams>(lmHeadSpec(options)),
    loss: ({ table, bias }, x, targets) =>
      withFullInput(x, (full) => computeLoss({ group, firstToken, x: full, table, bias, targets })),
    lossAndGradient({ table, bias }, x, targets, sink) {
      const { loss, dx, dTable, dBias } = withFullInput(x, (full) =>
        computeLossAndGradients({
          ...{ group, firstToken, x: full, table, bias, targets },
          isFrozen: isDiscarded(sink.table),
        }),
      );
      const sum = comm.reduce(dx);
      dx.dispose();
      if (dTable !== null) sink.table(dTable());
      if (dBias !== null) sink.bias!(dBias);
      return { loss, dx: sum.wait() };
    },
    logits({ table, bias }, x) {
      const local = withFullInput(x, (full) =>
        tidy(() => {
          const { y } = call(product, { x: full, weight: table }, { transpose: true });
          return claim<Sharded<"vocabulary">>(bias === undefined ? y : add<Tensor>(y, bias));
        }),
      );
      return gatherLogits(local, vocabulary, group);
    },
  };
}

/** This rank's logits [batch, time, local tokens] to all logits [batch, time, vocabulary]. Consumes `local`. */
function gatherLogits(
  local: Placed<Sharded<"vocabulary">>,
  vocabulary: number,
  group: ProcessGroup,
): Placed<"invariant"> {
  const [batch, time, size] = local.shape as [number, number, number];
  // Padded to the shard of the first rank, which is the largest.
  const missing = vocabularyRange(vocabulary, { index: 0, count: group.size }).size - size;
  const none = [0, 0] as [number, number];
  const padded = missing === 0 ? local.clone() : tidy(() => pad(local, [none, none, [0, missing]]));
  local.dispose();
  const all = group.allGather(padded, 2).wait();
  padded.dispose();
  const logits = slice(all, [0, 0, 0], [batch, time, vocabulary]);
  all.dispose();
  return claim(logits); // they have no backward
}
