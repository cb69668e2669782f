// The model that the flags describe.

import { UserError } from "@tessera/config";
import { gptConfig, type GptConfig } from "@tessera/gpt";
import type { Flags } from "./flags.js";

/** A flag that has no default and that nothing else can stand for. */
export function needed<N extends keyof Flags>(flags: Flags, name: N): NonNullable<Flags[N]> {
  const value = flags[name];
  if (value === undefined) throw new UserError(`--${name}: is missing, and has no default`);
  return value;
}

/** `vocabulary` ids, before they are padded. Throws a UserError where sizes do not fit together. */
export function modelOf(flags: Flags, vocabulary: number): GptConfig {
  const hiddenSize = needed(flags, "hidden-size");
  const headCount = needed(flags, "num-attention-heads");
  const length = needed(flags, "seq-length");
  const maxPositions = flags["max-position-embeddings"] ?? length;
  if (maxPositions < length) {
    throw new UserError(
      `--max-position-embeddings ${maxPositions}: is below --seq-length ${length}; raise it`,
    );
  }
  if (flags["calculate-per-token-loss"] && flags["eod-mask-loss"]) {
    throw new UserError(
      "--calculate-per-token-loss, --eod-mask-loss: microbatches weigh the same here, whatever is masked; drop one",
    );
  }
  if (flags["qk-layernorm"] && flags.normalization !== "RMSNorm") {
    throw new UserError(
      "--qk-layernorm: normalizes by RMS here, where Megatron would by LayerNorm; add --normalization RMSNorm",
    );
  }
  const biases = !flags["disable-bias-linear"];
  return gptConfig({
    layerCount: needed(flags, "num-layers"),
    hiddenSize,
    headCount,
    kvHeadCount: keyHeadsOf(flags, headCount),
    ...(flags["kv-channels"] !== undefined && { headSize: flags["kv-channels"] }),
    ffnHiddenSize: flags["ffn-hidden-size"] ?? innerSizeOf(hiddenSize, flags.swiglu),
    vocabularySize: vocabulary,
    maxPositions,
    positions: positionsOf(flags),
    dropout: dropoutOf(flags),
    activation: activationOf(flags),
    norm: flags.normalization === "RMSNorm" ? "rms" : "layer",
    normEpsilon: flags["layernorm-epsilon"],
    qkNorm: flags["qk-layernorm"],
    biases: { attention: biases || (flags["add-qkv-bias"] && "qkv"), mlp: biases, head: false },
    tiedEmbeddings: !flags["untie-embeddings-and-output-weights"],
    initStd: flags["init-method-std"],
  });
}

export function dropoutOf(flags: Flags): GptConfig["dropout"] {
  const hidden = flags["hidden-dropout"];
  return { embedding: hidden, attention: flags["attention-dropout"], residual: hidden };
}

/** Megatron's GELU is by tanh in its fused kernel, which needs biases, and by the error function elsewhere. */
function activationOf(flags: Flags): GptConfig["activation"] {
  if (flags.swiglu) return "swiglu";
  const isErf = flags["no-bias-gelu-fusion"] || flags["disable-bias-linear"];
  return isErf && !flags["openai-gelu"] ? "gelu_erf" : "gelu";
}

function keyHeadsOf(flags: Flags, headCount: number): number {
  const groups = flags["num-query-groups"];
  if (flags["group-query-attention"]) return needed(flags, "num-query-groups");
  if (groups !== undefined && groups !== headCount) {
    throw new UserError(`--num-query-groups ${groups}: goes with --group-query-attention; add it`);
  }
  return headCount;
}

/** A gated MLP has three matrices: Megatron narrows it to 8/3 of the width, in multiples of 64. */
const innerSizeOf = (hiddenSize: number, isGated: boolean): number =>
  isGated ? Math.max(64, Math.floor((hiddenSize * 8) / 3 / 64) * 64) : 4 * hiddenSize;

function positionsOf(flags: Flags): GptConfig["positions"] {
  const isRotary = flags["use-rotary-position-embeddings"];
  const usual = flags["no-position-embedding"] ? "none" : "learned_absolute";
  const kind = flags["position-embedding-type"] ?? (isRotary ? "rope" : usual);
  const scaling = scalingOf(flags);
  if (scaling !== undefined && kind !== "rope") {
    throw new UserError(
      "--use-rope-scaling, --rotary-seq-len-interpolation-factor: scale rotary positions; add --position-embedding-type rope",
    );
  }
  switch (kind) {
    case "learned_absolute":
      return { kind: "learned" };
    case "none":
      return { kind: "none" };
    case "rope": {
      const [base, share] = [flags["rotary-base"], flags["rotary-percent"]];
      const rotary = { kind: "rotary", base, fraction: share, pairs: "halves" } as const;
      return scaling === undefined ? rotary : { ...rotary, scaling };
    }
  }
}

type Rotary = Extract<GptConfig["positions"], { readonly kind: "rotary" }>;

/** Those of Llama 3.1, but for the factor, which Megatron-LM has as a flag. */
const LLAMA3 = {
  kind: "llama3",
  lowFrequencyFactor: 1,
  highFrequencyFactor: 4,
  originalPositions: 8192,
} as const;

function scalingOf(flags: Flags): Rotary["scaling"] {
  const divisor = flags["rotary-seq-len-interpolation-factor"] ?? 1;
  const factor = flags["rope-scaling-factor"];
  if (!flags["use-rope-scaling"]) {
    if (factor !== undefined) {
      throw new UserError(`--rope-scaling-factor ${factor}: goes with --use-rope-scaling; add it`);
    }
    return divisor === 1 ? undefined : { kind: "linear", factor: divisor };
  }
  if (divisor === 1) return { ...LLAMA3, factor: factor ?? 8 };
  throw new UserError(
    "--use-rope-scaling --rotary-seq-len-interpolation-factor: are two ways to scale; choose one",
  );
}
