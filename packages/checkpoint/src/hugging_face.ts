// GPT-2 as Hugging Face stores it: the names of its tensors, the keys of its config.json. Its
// matrices are [in, out], as ours; its query, key and value share one matrix, ours stand apart.

import { UserError } from "@tessera/config";
import { gptConfig, type GptConfig } from "@tessera/gpt";
import * as v from "valibot";

/** Where a parameter of ours stands in Hugging Face's layout. */
export interface Place {
  readonly name: string;
  /** Its columns in a matrix of `of` equal groups of columns, where it shares one. */
  readonly columns?: { readonly start: number; readonly count: number; readonly of: number };
}

const TOP: Readonly<Record<string, string>> = {
  "embedding.token": "wte.weight",
  "embedding.position": "wpe.weight",
  "norm.gain": "ln_f.weight",
  "norm.bias": "ln_f.bias",
  "head.table": "lm_head.weight",
};

const IN_BLOCK: Readonly<Record<string, string>> = {
  "attention.norm.gain": "ln_1.weight",
  "attention.norm.bias": "ln_1.bias",
  "attention.heads.output.weight": "attn.c_proj.weight",
  "attention.heads.output.bias": "attn.c_proj.bias",
  "mlp.norm.gain": "ln_2.weight",
  "mlp.norm.bias": "ln_2.bias",
  "mlp.feed.up.weight": "mlp.c_fc.weight",
  "mlp.feed.up.bias": "mlp.c_fc.bias",
  "mlp.feed.down.weight": "mlp.c_proj.weight",
  "mlp.feed.down.bias": "mlp.c_proj.bias",
};

/** Where the parameter at `path` stands. Throws where GPT-2 has no such parameter. */
export function placeOf(path: string): Place {
  if (TOP[path] !== undefined) return { name: TOP[path] };
  const [, layer, inner] = /^blocks\.(\d+)\.(.*)$/.exec(path) ?? [];
  if (layer !== undefined && inner !== undefined) {
    const name = IN_BLOCK[inner];
    if (name !== undefined) return { name: `h.${layer}.${name}` };
    const [, part, leaf] = /^attention\.heads\.(query|keyValue)\.(weight|bias)$/.exec(inner) ?? [];
    if (part !== undefined && leaf !== undefined) {
      const columns = part === "query" ? { start: 0, count: 1 } : { start: 1, count: 2 };
      return { name: `h.${layer}.attn.c_attn.${leaf}`, columns: { ...columns, of: 3 } };
    }
  }
  throw new Error(`${path} has no place in GPT-2's layout`);
}

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const rate = v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0.1);

const ConfigFile = v.object({
  model_type: v.literal("gpt2"),
  vocab_size: size,
  n_positions: size,
  n_embd: size,
  n_layer: size,
  n_head: size,
  n_inner: v.nullish(size),
  activation_function: v.optional(v.picklist(["gelu_new", "gelu_pytorch_tanh"]), "gelu_new"),
  layer_norm_epsilon: v.optional(v.number(), 1e-5),
  initializer_range: v.optional(v.number(), 0.02),
  embd_pdrop: rate,
  attn_pdrop: rate,
  resid_pdrop: rate,
  tie_word_embeddings: v.optional(v.boolean(), true),
  scale_attn_by_inverse_layer_idx: v.optional(v.literal(false), false),
});

/** The model that a config.json of GPT-2 describes. Throws a UserError that names `path` and the key. */
export function fromConfigFile(json: unknown, path: string): GptConfig {
  const parsed = v.safeParse(ConfigFile, json);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw new UserError(`${path}: ${v.getDotPath(issue) ?? "the file"}: ${issue.message}`);
  }
  const file = parsed.output;
  return gptConfig({
    layerCount: file.n_layer,
    hiddenSize: file.n_embd,
    headCount: file.n_head,
    innerSize: file.n_inner ?? 4 * file.n_embd,
    vocabularySize: file.vocab_size,
    maxPositions: file.n_positions,
    dropout: {
      embedding: file.embd_pdrop,
      attention: file.attn_pdrop,
      residual: file.resid_pdrop,
    },
    tiedEmbeddings: file.tie_word_embeddings,
    initDeviation: file.initializer_range,
    normEpsilon: file.layer_norm_epsilon,
  });
}

/** Whether GPT-2's layout has a place for every parameter of such a model, and words for its shape. */
export const isGpt2 = ({ headCount, keyHeadCount, ...config }: GptConfig): boolean =>
  keyHeadCount === headCount &&
  config.positions.kind === "learned" &&
  config.activation === "gelu" &&
  config.norm === "layer" &&
  !config.parallelBlock &&
  config.biases.attention &&
  config.biases.mlp &&
  !config.biases.head;

/** The config.json that describes `config`, which `isGpt2`. */
export function toConfigFile(config: GptConfig): string {
  const file: v.InferInput<typeof ConfigFile> & { architectures: string[]; torch_dtype: string } = {
    architectures: ["GPT2LMHeadModel"],
    model_type: "gpt2",
    vocab_size: config.vocabularySize,
    n_positions: config.maxPositions,
    n_embd: config.hiddenSize,
    n_layer: config.layerCount,
    n_head: config.headCount,
    n_inner: config.innerSize,
    activation_function: "gelu_new",
    layer_norm_epsilon: config.normEpsilon,
    initializer_range: config.initDeviation,
    embd_pdrop: config.dropout.embedding,
    attn_pdrop: config.dropout.attention,
    resid_pdrop: config.dropout.residual,
    tie_word_embeddings: config.tiedEmbeddings,
    torch_dtype: "float32",
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}
