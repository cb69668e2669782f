// Rotary positions, of several keys that say them, as `transformers` takes them: `rope_theta` beside `rope_scaling`, or all
// in `rope_parameters`.

import type { GptConfig } from "@tessera/gpt";
import type { RotaryScaling } from "@tessera/layers/rotary";
import * as v from "valibot";
import { field, positive, rate, size, type Field } from "./fields.js";

const ROTARY_BASE = 10_000; // where a file says none

const common = { rope_theta: v.optional(positive), partial_rotary_factor: v.optional(rate) };
const KINDS: readonly string[] = ["default", "linear", "llama3", "yarn"];

/** By `rope_type`, and by `type`, its older name, where there is no other. */
const Rope = v.pipe(
  v.looseObject({ rope_type: v.optional(v.string()), type: v.optional(v.string()) }),
  v.transform(({ rope_type, type, ...keys }) => ({
    kind: rope_type ?? type ?? "default",
    ...keys,
  })),
  v.check(
    ({ kind }) => KINDS.includes(kind),
    ({ input: { kind } }) =>
      `rotary positions of the type ${kind} are not supported, only ${KINDS.join(", ")}`,
  ),
  v.variant("kind", [
    v.object({ kind: v.literal("default"), ...common }),
    v.object({ kind: v.literal("linear"), ...common, factor: positive }),
    v.object({
      kind: v.literal("llama3"),
      ...common,
      factor: positive,
      low_freq_factor: positive,
      high_freq_factor: positive,
      original_max_position_embeddings: size,
    }),
    v.object({
      kind: v.literal("yarn"),
      ...common,
      factor: positive,
      original_max_position_embeddings: v.optional(size),
      attention_factor: v.nullish(positive),
      beta_fast: v.nullish(positive),
      beta_slow: v.nullish(positive),
      mscale: v.nullish(positive),
      mscale_all_dim: v.nullish(positive),
      truncate: v.nullish(v.boolean()),
    }),
  ]),
);
type Rope = v.InferOutput<typeof Rope>;

/** The scaling of a model with `positions` positions. */
function scalingOf(rope: Rope, positions: number): RotaryScaling | undefined {
  switch (rope.kind) {
    case "default":
      return undefined;
    case "linear":
      return { kind: "linear", factor: rope.factor };
    case "llama3":
      return {
        kind: "llama3",
        factor: rope.factor,
        lowFrequencyFactor: rope.low_freq_factor,
        highFrequencyFactor: rope.high_freq_factor,
        originalPositions: rope.original_max_position_embeddings,
      };
    case "yarn":
      return {
        kind: "yarn",
        factor: rope.factor,
        originalPositions: rope.original_max_position_embeddings ?? positions,
        betaFast: rope.beta_fast ?? 32,
        betaSlow: rope.beta_slow ?? 1,
        truncate: rope.truncate ?? true,
        magnitude: rope.attention_factor ?? yarnMagnitude(rope),
      };
  }
}

type YarnRope = Extract<Rope, { readonly kind: "yarn" }>;

function yarnMagnitude({ factor, mscale, mscale_all_dim }: YarnRope): number {
  const grown = (by: number): number => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);
  return mscale && mscale_all_dim ? grown(mscale) / grown(mscale_all_dim) : grown(1);
}

function writeScaling(scaling: RotaryScaling): Readonly<Record<string, unknown>> {
  switch (scaling.kind) {
    case "linear":
      return { rope_type: "linear", factor: scaling.factor };
    case "llama3":
      return {
        rope_type: "llama3",
        factor: scaling.factor,
        low_freq_factor: scaling.lowFrequencyFactor,
        high_freq_factor: scaling.highFrequencyFactor,
        original_max_position_embeddings: scaling.originalPositions,
      };
    case "yarn":
      return {
        rope_type: "yarn",
        factor: scaling.factor,
        original_max_position_embeddings: scaling.originalPositions,
        beta_fast: scaling.betaFast,
        beta_slow: scaling.betaSlow,
        truncate: scaling.truncate,
        attention_factor: scaling.magnitude,
      };
  }
}

/** An object, or undefined for none and for one that says nothing. */
const Filled = v.pipe(
  v.nullish(v.looseObject({})),
  v.transform((keys) => (keys && Object.keys(keys).length > 0 ? keys : undefined)),
  v.optional(Rope),
);

/** The keys that all families have. */
export const RotaryKeys = v.object({
  max_position_embeddings: size,
  rope_theta: v.optional(positive),
  rope_scaling: Filled,
  rope_parameters: Filled,
});

/** The positions that a file says; `absent` is what it need not say. */
export function readRotary(
  file: v.InferOutput<typeof RotaryKeys>,
  absent: { readonly base: number; readonly fraction: number },
): GptConfig["positions"] {
  const rope = file.rope_scaling ?? file.rope_parameters;
  const scaling = rope && scalingOf(rope, file.max_position_embeddings);
  return {
    kind: "rotary",
    base: rope?.rope_theta ?? file.rope_theta ?? absent.base,
    fraction: rope?.partial_rotary_factor ?? absent.fraction,
    pairs: "halves",
    ...(scaling && { scaling }),
  };
}

/** The key of a scaling, if there is one. */
export const writeRotaryScaling = (
  positions: GptConfig["positions"],
): Readonly<Record<string, unknown>> =>
  positions.kind === "rotary" && positions.scaling !== undefined
    ? { rope_scaling: writeScaling(positions.scaling) }
    : {};

/** Positions on all of each head. */
export const rotaryPositions: Field<GptConfig["positions"]> = field(
  v.pipe(
    v.object({ ...RotaryKeys.entries, partial_rotary_factor: v.nullish(v.literal(1)) }),
    v.check(
      ({ rope_scaling, rope_parameters }) =>
        ((rope_scaling ?? rope_parameters)?.partial_rotary_factor ?? 1) === 1,
      "partial_rotary_factor must be 1",
    ),
  ),
  (file) => readRotary(file, { base: ROTARY_BASE, fraction: 1 }),
  (value) => ({
    rope_theta: value.kind === "rotary" ? value.base : ROTARY_BASE,
    ...writeRotaryScaling(value),
  }),
);
