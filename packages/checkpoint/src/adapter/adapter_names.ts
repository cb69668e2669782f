// What PEFT calls the matrices of LoRA.

import { gpt, type GptConfig } from "@tessera/gpt";
import { projectionsOf, withoutLora } from "@tessera/gpt/lora";
import type { Projection } from "@tessera/layers/lora";
import { leaves, type ParamSpec } from "@tessera/params";
import { familyFor } from "../hugging_face/families.js";
import type { HfName } from "../hugging_face/family.js";

/** A matrix of LoRA. */
export interface LoraMatrix {
  /** Of the parameter. */
  readonly path: string;
  /** Of A [in, rank] or B [rank, out]; files have the transposed matrix. */
  readonly shape: readonly [rows: number, columns: number];
  readonly projection: Projection;
  /** The name of its linear layer: "model.layers.0.self_attn.q_proj". */
  readonly module: string;
  /** The name of its tensor. */
  readonly tensor: string;
  /** Whether the weight of the linear layer is stored as [out, in]. */
  readonly isTransposed: boolean;
}

const LORA = /^(.*)\.lora\.(\w+)\.([ab])$/;

/** The linear layer that a parameter of LoRA adapts, and which of its projections and matrices it is; null for others. */
export function parseLoraPath(path: string) {
  const [, linear, projection, matrix] = LORA.exec(path) ?? [];
  if (linear === undefined) return null;
  // The names are those that linear layers give to their parameters.
  return { linear, projection: projection as Projection, matrix: matrix as "a" | "b" };
}

/** Where the columns of a projection are, among those of its linear layer: key, value; gate, up. */
export const projectionIndex = (projection: Projection, config: GptConfig): number =>
  projection === "value" ||
  (projection === "up" && projectionsOf(config.activation).includes("gate"))
    ? 1
    : 0;

/**
 * The matrices of `config`, which has LoRA; but for those of linear layers that are a part of a larger one in files, as
 * GPT-2's queries are.
 */
export function loraMatrices(config: GptConfig): readonly LoraMatrix[] {
  const family = familyFor(withoutLora(config));
  return leaves<ParamSpec>(gpt(config).spec).flatMap(([path, { shape }]) => {
    const parsed = parseLoraPath(path);
    if (parsed === null) return [];
    const { linear, projection, matrix } = parsed;
    const name = tensorOf(family.nameOf(`${linear}.weight`), projectionIndex(projection, config));
    if (name === undefined) return [];
    const module = name.replace(/\.weight$/, "");
    const tensor = `base_model.model.${module}.lora_${matrix.toUpperCase()}.weight`;
    const isTransposed = family.isTransposed(name);
    const [rows, columns] = shape as readonly [number, number];
    return [{ path, shape: [rows, columns], projection, module, tensor, isTransposed }];
  });
}

/** The tensor that holds those columns of a parameter and no others. */
function tensorOf(name: HfName | undefined, index: number): string | undefined {
  if (typeof name === "string") return name;
  return name === undefined || "fused" in name ? undefined : name[index];
}

/**
 * The names by which `target_modules` of PEFT has `matrices`, and no other linear layers of a model of `config`.
 */
export function targetModules(config: GptConfig, matrices: readonly LoraMatrix[]): string[] {
  const own = new Set(matrices.map(({ module }) => module));
  const lora = { rank: 1, alpha: 1, rankStabilized: false, dropout: 0 };
  const others = loraMatrices({
    ...config,
    lora: { ...lora, targets: projectionsOf(config.activation) },
  })
    .map(({ module }) => module)
    .filter((module) => !own.has(module));
  const nameOf = (module: string): string => {
    const parts = module.split(".");
    const last = parts.at(-1)!;
    const isOwn = others.every((other) => !other.endsWith(`.${last}`));
    return isOwn ? last : parts.slice(-2).join(".");
  };
  return [...new Set([...own].map(nameOf))].sort();
}
