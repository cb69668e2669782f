// `@tessera/gpt/lora`: low-rank adaptation of a GPT's linear layers, as PEFT's `LoraConfig` has it.

import { UserError } from "@tessera/config";
import type { Activation } from "@tessera/layers";
import { projections, type Projection } from "@tessera/layers/lora";

/** Which linear layers have adapters, and how. */
export interface LoraConfig {
  /** Columns of A and rows of B. */
  readonly rank: number;
  readonly alpha: number;
  /** Whether the product's factor is alpha / sqrt(rank), as in rsLoRA (Kalajdzievski, 2023), not alpha / rank. */
  readonly rankStabilized: boolean;
  /** Probability of dropping an element of the product's input in training. */
  readonly dropout: number;
  readonly targets: readonly Projection[];
}

/** The same as users ask for it. */
export interface LoraRequest {
  readonly rank: number;
  /** Default: the rank. */
  readonly alpha?: number | undefined;
  /** Default: false. */
  readonly rankStabilized?: boolean;
  /** Default: 0. */
  readonly dropout?: number | undefined;
  /** Names of linear layers: `query`, or `q_proj` as in Llama; `all-linear` for all. Default: all. */
  readonly targets?: readonly string[];
}

/** What Llama calls them. */
const ALIASES: Readonly<Record<string, Projection>> = {
  q_proj: "query",
  k_proj: "key",
  v_proj: "value",
  o_proj: "output",
  gate_proj: "gate",
  up_proj: "up",
  down_proj: "down",
};

const ALL = "all-linear";

/**
 * The adapters that `request` asks for, of a model with such an MLP.
 * @throws UserError where they cannot be.
 */
export function loraConfig(
  { rank, alpha = rank, rankStabilized = false, dropout = 0, targets = [ALL] }: LoraRequest,
  activation: Activation,
): LoraConfig {
  const known = projectionsOf(activation);
  const named = targets.flatMap((name): readonly Projection[] => {
    if (name === ALL) return known;
    const found = known.find((projection) => projection === (ALIASES[name] ?? name));
    if (found !== undefined) return [found];
    throw new UserError(
      `LoRA targets ${name}, which this model has not: choose some of ${known.join(", ")}, or ${ALL}`,
    );
  });
  const config = {
    ...{ rank, alpha, rankStabilized, dropout },
    targets: known.filter((projection) => named.includes(projection)),
  };
  checkLora(config, activation);
  return config;
}

/**
 * Checks adapters of a model whose MLP has that activation.
 * @throws UserError where their sizes cannot be, or the model has no such linear layers.
 */
export function checkLora(
  { rank, alpha, dropout, targets }: LoraConfig,
  activation: Activation,
): void {
  if (!Number.isSafeInteger(rank) || rank < 1) {
    throw new UserError(`the rank of LoRA is ${rank}, must be a whole number of at least 1`);
  }
  if (!(alpha > 0 && alpha < Infinity)) {
    throw new UserError(`the alpha of LoRA is ${alpha}, must be above 0`);
  }
  if (!(dropout >= 0 && dropout < 1)) {
    throw new UserError(`the dropout of LoRA is ${dropout}, must be at least 0 and below 1`);
  }
  const known = projectionsOf(activation);
  const unknown = targets.find((name) => !known.includes(name));
  if (unknown === undefined && targets.length > 0) return;
  const what = unknown === undefined ? "no linear layer" : `${unknown}, which this model has not`;
  throw new UserError(`LoRA targets ${what}: choose some of ${known.join(", ")}`);
}

/** The linear layers of a model whose MLP has that activation. */
export const projectionsOf = (activation: Activation): readonly Projection[] =>
  projections.filter((name) => name !== "gate" || activation === "swiglu");

/** The factor of the product. */
export const loraScale = ({ rank, alpha, rankStabilized }: LoraConfig): number =>
  alpha / (rankStabilized ? Math.sqrt(rank) : rank);

/** Whether the parameter at `path` is one of LoRA's. */
export const isLoraPath = (path: string): boolean => path.includes(".lora.");

/** `config` without adapters. */
export function withoutLora<C extends { readonly lora?: LoraConfig }>({
  lora: _lora,
  ...config
}: C): Omit<C, "lora"> {
  return config;
}
