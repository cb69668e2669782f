// Names of the inputs and outputs of an exported graph: what runs it feeds and reads them by name.
//   B rows, T new tokens, S capacity, G KV heads, D head size

export type CachePart = "key" | "value";

/** Names of the graph's inputs and outputs. */
export const NAMES = {
  /** New ids [B, T]. */
  ids: "input_ids",
  /** Tokens that each row holds [B]. */
  lengths: "past_lengths",
  /** Of how many of each row's last tokens logits are wanted. */
  keep: "num_logits_to_keep",
  /** [B, keep, vocabulary] (fp32). */
  logits: "logits",
  /** What rows hold [B, G, S, D]; behind `lengths` anything may stand but infinities and NaN. */
  past: (layer: number, part: CachePart) => `past_key_values.${layer}.${part}`,
  /** What new tokens add [B, G, T, D]. */
  added: (layer: number, part: CachePart) => `new_key_values.${layer}.${part}`,
} as const;
