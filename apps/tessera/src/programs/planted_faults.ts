// Faults of the kinds that parallel training has had in public, each in one place, and a layout on which it shows.

import type { Changes } from "./described_run.js";
import type { Planted } from "./plant.js";

export interface LayoutFault extends Planted {
  readonly name: string;
  readonly ranks: number;
  readonly changes: Changes;
  /** What `verify` must name: the kind of what differs first. */
  readonly seen: RegExp;
}

const tensor = { ranks: 2, changes: { parallel: { tensor: 2 } } };
const sequence = { ranks: 2, changes: { parallel: { tensor: 2, sequence: true } } };
const pipeline = { ranks: 2, changes: { parallel: { pipeline: 2 } } };
const data = { ranks: 2, changes: {} };
const zero = (zeroStage: 1 | 3) => ({ ranks: 2, changes: { parallel: { zeroStage } } });

export const layoutFaults: readonly LayoutFault[] = [
  {
    name: "the outputs of regions are not reduced",
    file: "tensor-parallel/dist/region_comm.js",
    from: "reduce: (y) => convert.allReduce(y)",
    to: "reduce: (y) => { const own = y.clone(); return { done: true, wait: () => own }; }",
    ...tensor,
    seen: /^output of embedding/,
  },
  {
    name: "copies of parameters have each rank's gradient",
    file: "tensor-parallel/dist/axis.js",
    from: "if (group.size === 1)",
    to: "if (group.size >= 1)",
    ...sequence,
    seen: /^gradient of norm/,
  },
  {
    name: "replicas of KV heads are not summed",
    file: "tensor-parallel/dist/axis.js",
    from: "else if (isTerm(path))",
    to: "else if (false)",
    ranks: 4,
    changes: { parallel: { tensor: 4 }, gpt: { kvHeadCount: 2 } },
    seen: /^gradient of blocks\.3\.attention\.heads\.keyValue/,
  },
  {
    name: "the head's input gradient is not reduced",
    file: "tensor-parallel/dist/vocab_parallel_head.js",
    from: "const sum = comm.reduce(dx);",
    to: "const own = dx.clone(); const sum = { wait: () => own };",
    ...tensor,
    seen: /^output gradient of norm/,
  },
  {
    name: "each rank's largest logit counts as that of all",
    file: "tensor-parallel/dist/vocab_parallel_cross_entropy.js",
    from: "sum(mul(sumExps, exp(sub(rowMaxes, rowMax))), 0)",
    to: "sum(sumExps, 0)",
    ...tensor,
    seen: /^output gradient of norm/,
  },
  {
    name: "targets of other shards of the vocabulary do not count",
    file: "tensor-parallel/dist/vocab_parallel_cross_entropy.js",
    from: "sum(targetLogits, 0)",
    to: "unstack(targetLogits)[0]",
    ...tensor,
    seen: /^loss/,
  },
  {
    name: "each rank adds the bias of a row-parallel product",
    file: "layers/dist/linear.js",
    from: 'split?.by !== "rows" || shard.index === 0',
    to: "true",
    ...tensor,
    seen: /^gradient of blocks\.3\.mlp\.feed\.down\.bias/,
  },
  {
    name: "every shard of the tokens has the mask of the first",
    file: "layers/dist/dropout.js",
    from: "time * tokenShard.index",
    to: "0",
    ...sequence,
    seen: /^output of/,
  },
  {
    name: "every shard of the heads has the mask of the first",
    file: "layers/dist/attention.js",
    from: "localHeads * shard.index",
    to: "0",
    ...tensor,
    seen: /^output of blocks\.0/,
  },
  {
    name: "every shard of the tokens has the positions of the first",
    file: "layers/dist/embedding.js",
    from: "return slice(table, [tokenShard.index * time, 0], [time, width]);",
    to: "return slice(table, [0, 0], [time, width]);",
    ...sequence,
    seen: /^output of embedding/,
  },
  {
    name: "gradients of positions go to those of the first shard",
    file: "layers/dist/embedding.js",
    from: "range(tokenShard.index * time, (tokenShard.index + 1) * time, 1",
    to: "range(0, time, 1",
    ...sequence,
    seen: /^gradient of embedding\.position/,
  },
  {
    name: "dropout depends on rows of the rank",
    file: "trainer/dist/microbatches.js",
    from: "                firstRow,\n",
    to: "                firstRow: microbatch * batch.microBatch,\n",
    ...data,
    seen: /^output of/,
  },
  {
    name: "all ranks take the same samples",
    file: "trainer/dist/microbatches.js",
    from: "(microbatch * count + index) * batch.microBatch",
    to: "microbatch * count * batch.microBatch",
    ...data,
    seen: /^gradient of/,
  },
  {
    name: "a norm counts copies of parameters",
    file: "trainer/dist/step.js",
    from: "hasFirstReplica(others, path)",
    to: "true",
    ...tensor,
    seen: /^gradient norm/,
  },
  {
    name: "a norm is of one stage",
    file: "trainer/dist/step.js",
    from: "allReduceOver(others, claim(own))",
    to: "claim(own)",
    ...pipeline,
    seen: /^gradient norm/,
  },
  {
    name: "a tied table has the gradient of one stage",
    file: "pipeline-parallel/dist/axis.js",
    from: "if (!isTied(path))",
    to: "if (path !== null)",
    ...pipeline,
    seen: /^gradient of embedding\.token/,
  },
  {
    name: "only the last microbatch is reduced",
    file: "data-parallel/dist/pending_reductions.js",
    from: "sums.get(name) ?? null",
    to: "null",
    ...data,
    seen: /^gradient of/,
  },
  {
    name: "FSDP keeps only the last microbatch",
    file: "data-parallel/dist/pending_reductions.js",
    from: "convert.reduceScatterOnto(claim(sum), flat)",
    to: "convert.reduceScatter(flat, 0)",
    ...zero(3),
    seen: /^gradient of/,
  },
  {
    name: "a rank's loss counts the last microbatch",
    file: "trainer/dist/microbatches.js",
    from: "losses.set(microbatch,",
    to: "losses.clear(); losses.set(microbatch,",
    ...data,
    seen: /^loss/,
  },
  {
    name: "a loss is of one rank's tokens",
    file: "trainer/dist/step.js",
    from: "sumMicrobatches(plan.axes, own)",
    to: "sumMicrobatches([], own)",
    ...data,
    seen: /^loss/,
  },
  {
    name: "a resumed run forgets how many steps there were",
    file: "trainer/dist/saved_state.js",
    from: "        step,\n        consumedSamples,\n        lossScale,",
    to: "        step: 0,\n        consumedSamples,\n        lossScale,",
    ...data,
    seen: /./,
  },
  {
    name: "each shard of a checkpoint is the first of its bucket",
    file: "trainer/dist/saved_state.js",
    from: "[range.tensorOffset], [range.size]",
    to: "[0], [range.size]",
    ...zero(1),
    seen: /where one rank continues/,
  },
];
