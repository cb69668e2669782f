// Keys of a DeepSpeed configuration that would change numbers and have no equal here: the values with which they do not,
// and what is said to others. Keys that are neither here nor in deepspeed_keys.ts choose among ways to compute the same.

interface Refusal {
  readonly allowed: readonly unknown[];
  readonly answer: string;
}

const off = (answer: string): Refusal => ({ allowed: [false, null], answer });

const ALL_DATA = "samples come in one order and at full length here";
const SIXTEEN = "weights and optimizer state are fp32 here";
const HOST_MEMORY = "all of it is in the host's memory here already; none or cpu";

const REFUSALS: Readonly<Record<string, Refusal>> = {
  "amp.enabled": off("NVIDIA's amp is not here; bf16.enabled or fp16.enabled"),
  "autotuning.enabled": off("nothing is tuned here"),
  communication_data_type: {
    allowed: ["fp32", null],
    answer: "gradients are summed in fp32 here",
  },
  "compression_training.layer_reduction.enabled": off("layers are not distilled here"),
  "curriculum_learning.enabled": off(ALL_DATA),
  "data_efficiency.data_routing.random_ltd.enabled": off("every layer takes all tokens here"),
  "data_efficiency.data_sampling.curriculum_learning.enabled": off(ALL_DATA),
  "data_types.grad_accum_dtype": {
    allowed: ["fp32", null],
    answer: "gradients are summed in fp32 here",
  },
  "eigenvalue.enabled": off("weights are not quantized here"),
  "elasticity.enabled": off("a batch has the size that the configuration gives"),
  "bf16.bf16_master_weights_and_grads": off(SIXTEEN),
  "bf16.bf16_optimizer_states": off(SIXTEEN),
  "fp16.consecutive_hysteresis": off("hysteresis is restored by a doubled scale alone here"),
  "fp16.fp16_master_weights_and_grads": off(SIXTEEN),
  gradient_allreduce_op: { allowed: ["mean", "avg"], answer: "ranks average gradients here" },
  "optimizer.params.amsgrad": off("Adam is without AMSGrad here"),
  "optimizer.params.bias_correction": {
    allowed: [true],
    answer: "Adam corrects its bias here",
  },
  "optimizer.params.dampening": { allowed: [0], answer: "momentum is not damped here" },
  "optimizer.params.max_grad_norm": {
    allowed: [0],
    answer: "DeepSpeed does not take it there; write gradient_clipping",
  },
  "optimizer.params.nesterov": off("momentum is not Nesterov's here"),
  "progressive_layer_drop.enabled": off("every layer is computed at every step here"),
  "quantize_training.enabled": off("weights are not quantized here"),
  "scheduler.params.last_batch_iteration": {
    allowed: [-1],
    answer: "a run begins at step 0, or where its checkpoint ends",
  },
  sequence_parallel_size: { allowed: [1], answer: "ranks do not share a sequence so here" },
  "sparse_attention.mode": { allowed: [], answer: "attention is dense here" },
  "torch_autocast.enabled": off("bf16.enabled or fp16.enabled choose the precision here"),
  "zero_optimization.offload_optimizer.device": {
    allowed: ["none", "cpu", null],
    answer: HOST_MEMORY,
  },
  "zero_optimization.offload_param.device": {
    allowed: ["none", "cpu", null],
    answer: HOST_MEMORY,
  },
  "zero_optimization.zero_quantized_gradients": off("gradients are summed in fp32 here"),
  "zero_optimization.zero_quantized_weights": off("weights are gathered in fp32 here"),
};

/** Parts in which `enabled` anywhere below is refused: each of them has the same inner form. */
const REFUSED_BELOW = ["compression_training."];

/** Whether something is said to some values of `key`, so that the others are understood. */
export const isUnderstood = (key: string): boolean =>
  Object.hasOwn(REFUSALS, key) || refusalBelow(key) !== null;

/** Why `key` cannot be `value`, as the end of a sentence; null where it may be. */
export function refusalOf(key: string, value: unknown): string | null {
  const refusal = Object.hasOwn(REFUSALS, key) ? REFUSALS[key]! : refusalBelow(key);
  return refusal === null || refusal.allowed.includes(value) ? null : refusal.answer;
}

function refusalBelow(key: string): Refusal | null {
  const isSwitch = key.endsWith(".enabled");
  const isBelow = isSwitch && REFUSED_BELOW.some((part) => key.startsWith(part));
  return isBelow ? off("models are not compressed here") : null;
}
