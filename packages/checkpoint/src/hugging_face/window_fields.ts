// Sliding windows, as `transformers` takes them: a size for all layers, or a size and the types of layers.

import type { GptConfig, SlidingWindow } from "@tessera/gpt";
import * as v from "valibot";
import { field, layers, size, type Field } from "./fields.js";

/** A window of all layers, or null for none; `absent` is what a file without the key has. */
export const windowOfAll = (absent: number | null): Field<GptConfig["window"]> =>
  field(
    v.object({ sliding_window: v.optional(v.nullable(size), absent) }),
    ({ sliding_window }) => (sliding_window === null ? null : { size: sliding_window }),
    (window) => ({ sliding_window: window?.size ?? null }),
  );

const LayerTypes = v.nullish(v.array(v.picklist(["full_attention", "sliding_attention"])));

/** The window of the layers whose type is that of a window; null where there is none. */
export function windowOfTypes(
  size: number,
  types: readonly ("full_attention" | "sliding_attention")[],
): SlidingWindow | null {
  const layers = types.map((type) => type === "sliding_attention");
  if (!layers.includes(true)) return null;
  return layers.includes(false) ? { size, layers } : { size };
}

/** `layer_types` of `window` over so many layers. */
export const layerTypes = (window: GptConfig["window"], layerCount: number): readonly string[] =>
  Array.from({ length: layerCount }, (_, layer) =>
    window !== null && window.layers?.[layer] !== false ? "sliding_attention" : "full_attention",
  );

/** Qwen's: a window of the layers from `max_window_layers` on, or of those that `layer_types` names. */
export const qwenWindow: Field<GptConfig["window"]> = field(
  v.pipe(
    v.object({
      use_sliding_window: v.optional(v.boolean(), false),
      sliding_window: v.optional(v.nullable(size), 4096),
      max_window_layers: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 28),
      layer_types: LayerTypes,
      num_hidden_layers: layers,
    }),
    v.forward(
      v.check(
        ({ layer_types, num_hidden_layers: count }) => (layer_types?.length ?? count) === count,
        "must have one type for each layer",
      ),
      ["layer_types"],
    ),
    v.forward(
      v.check(
        ({ layer_types, use_sliding_window: isUsed, sliding_window }) =>
          (isUsed && sliding_window !== null) || !layer_types?.includes("sliding_attention"),
        "has sliding_attention, but use_sliding_window and sliding_window say none",
      ),
      ["layer_types"],
    ),
  ),
  (file) => {
    const { sliding_window: window, max_window_layers: first } = file;
    if (!file.use_sliding_window || window === null) return null;
    const types = Array.from({ length: file.num_hidden_layers }, (_, layer) =>
      layer < first ? ("full_attention" as const) : ("sliding_attention" as const),
    );
    return windowOfTypes(window, file.layer_types ?? types);
  },
  (window, { layerCount }) => ({
    use_sliding_window: window !== null,
    ...(window && {
      sliding_window: window.size,
      layer_types: layerTypes(window, layerCount),
    }),
  }),
);
