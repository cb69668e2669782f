// Inputs and outputs of an exported graph, by which an engine feeds and reads it.
//   B rows, T new tokens, S capacity, G KV heads, D head size

export type CachePart = "key" | "value";

/** Names of the inputs and outputs of an exported graph. */
export const onnxNames = {
  /** New ids [B, T] (int64). */
  ids: "input_ids",
  /** Cached tokens of each row [B] (int64). */
  lengths: "past_lengths",
  /** Number of last tokens of each row whose logits are computed; 0 for all (int64). */
  keep: "num_logits_to_keep",
  /** [B, keep, vocabulary] (fp32). */
  logits: "logits",
  /** The KV cache of a layer [B, G, S, D]; beyond `lengths`, any finite values. */
  past: (layer: number, part: CachePart) => `past_key_values.${layer}.${part}`,
  /** Keys or values of the new tokens [B, G, T, D]. */
  added: (layer: number, part: CachePart) => `new_key_values.${layer}.${part}`,
} as const;
