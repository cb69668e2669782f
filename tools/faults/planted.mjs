// Faults of the kinds that training code has, each a change of one place, and the projects whose tests must see it.

/**
 * @typedef {object} Fault
 * @property {string} name
 * @property {string} file Below the root.
 * @property {string} from What the file has exactly once.
 * @property {string} to What replaces it.
 * @property {readonly string[]} seenBy Projects, without their scope, of which at least one must fail.
 */

/** @type {readonly Fault[]} */
export const faults = [
  {
    name: "a sign in a backward",
    file: "packages/kernels/src/swiglu.ts",
    from: "const dGate = mul(mul(dy, up), slope(gate, s));",
    to: "const dGate = mul(mul(dy, up), mul(-1, slope(gate, s)));",
    seenBy: ["layers", "kernels", "kernels-native", "gpt"],
  },
  {
    name: "a missing all-reduce",
    file: "packages/tensor-parallel/src/axis.ts",
    from: "if (group.size === 1) return alreadyComplete(gradients);",
    to: "if (group.size >= 1) return alreadyComplete(gradients);",
    seenBy: ["tensor-parallel", "gpt-ddp"],
  },
  {
    name: "an off-by-one in a sampler",
    file: "packages/data/src/sampler.ts",
    from: "first + taken <= count;",
    to: "first + taken < count;",
    seenBy: ["data"],
  },
  {
    name: "a wrong stride in a kernel",
    file: "packages/kernels-native/native/rotary.cc",
    from: "const int64_t first = (token * H + head) * D;",
    to: "const int64_t first = (token * heads + head) * D;",
    seenBy: ["kernels-native"],
  },
  {
    name: "a lock that is never released",
    file: "packages/files/src/lock.ts",
    from: "if (textIn(path) === text) rmSync(path);",
    to: "if (textIn(path) !== text) rmSync(path);",
    seenBy: ["files", "checkpoint"],
  },
  {
    name: "a swallowed error",
    file: "packages/checkpoint/src/sharded/save_shard.ts",
    from: "throw writeError(path, error, UNTOUCHED);",
    to: "return writeError(path, error) === null ? path : null;",
    seenBy: ["checkpoint"],
  },
  {
    name: "a step too many in Adam's bias correction",
    file: "packages/optim/src/adam.ts",
    from: "{ ...options, weightDecay, learningRate, step };",
    to: "{ ...options, weightDecay, learningRate, step: step + 1 };",
    seenBy: ["optim", "gpt-ddp"],
  },
  {
    name: "a KV cache that writes a token too early",
    file: "packages/generation/src/row_cache.ts",
    from: "(head * capacity + length) * depth",
    to: "(head * capacity + Math.max(0, length - 1)) * depth",
    seenBy: ["generation"],
  },
  {
    name: "a pipeline stage that keeps a microbatch too many",
    file: "packages/pipeline-parallel/src/schedules.ts",
    from: "const warmup = Math.min(stages - stage - 1, microbatches);\n  return [",
    to: "const warmup = Math.min(stages - stage, microbatches);\n  return [",
    seenBy: ["pipeline-parallel"],
  },
  {
    name: "gradients that are sent before the last microbatch",
    file: "packages/data-parallel/src/bucket_reducer.ts",
    from: "if (isReducing && remaining.get(bucket) === 0)",
    to: "if (isReducing || remaining.get(bucket) === 0)",
    seenBy: ["data-parallel", "gpt-ddp"],
  },
  {
    name: "a sum of ranks that loses its last element",
    file: "packages/collectives-mpi/native/algorithms.cc",
    from: "made, parts.data(), parts.size(), mine.size);",
    to: "made, parts.data(), parts.size(), mine.size - (mine.size > 1));",
    seenBy: ["cli"],
  },
];
