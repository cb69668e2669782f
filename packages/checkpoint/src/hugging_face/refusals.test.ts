import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { scratchFolder } from "@tessera/testing";
import {
  changeModel,
  copy,
  digestModel,
  GPT2,
  LLAMA,
  omit,
  type Changes,
} from "../programs/change_model.js";

const scratch = scratchFolder("refusals");
let folders = 0;

function change(from: string, changes: Changes): string {
  const folder = scratch(String((folders += 1)));
  changeModel(from, folder, changes);
  return folder;
}

/** Why the model is refused. */
function refusal(folder: string): string {
  try {
    digestModel(folder);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).message;
  }
  throw new Error("was not refused");
}

const llama3 = { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 };

describe("what would be another model is refused", () => {
  test.each<[string, string, Changes, RegExp]>([
    [
      "rotary positions that change with the length",
      LLAMA,
      { config: { rope_parameters: { type: "dynamic", factor: 2 } } },
      /rope_parameters: rotary .* type dynamic are not supported/,
    ],
    [
      "llama3's rotary positions without the length that they were trained on",
      LLAMA,
      { config: { rope_scaling: llama3 } },
      /rope_scaling\.original_max_position_embeddings: is missing/,
    ],
    [
      "a scaling by nothing",
      LLAMA,
      { config: { rope_scaling: { rope_type: "linear", factor: 0 } } },
      /rope_scaling\.factor/,
    ],
    [
      "rotary positions on a part",
      LLAMA,
      { config: { partial_rotary_factor: 0.5 } },
      /partial_rotary_factor/,
    ],
    [
      "other widths of heads",
      LLAMA,
      { config: { head_dim: 12 } },
      /q_proj\.weight is \[24, 24\], config\.json says \[72, 24\]/,
    ],
    ["a tie that is null", GPT2, { config: { tie_word_embeddings: null } }, /tie_word_embeddings/],
    [
      "a head that is tied and differs",
      GPT2,
      { tensors: copy("wte.weight", "lm_head.weight", 1) },
      /lm_head\.weight is not wte\.weight, .* set tie_word_embeddings to false/,
    ],
    [
      "an untied head that is missing",
      LLAMA,
      { tensors: omit("lm_head.weight") },
      /no tensor lm_head\.weight/,
    ],
    [
      "fewer layers than there are",
      LLAMA,
      { config: { num_hidden_layers: 1 } },
      /have model\.layers\.1\.\S+, .* and 6 more, which its config\.json has no place for/,
    ],
    [
      "biases that config.json denies",
      LLAMA,
      { tensors: copy("model.norm.weight", "model.layers.0.self_attn.q_proj.bias") },
      /q_proj\.bias, which its/,
    ],
    [
      "a tensor that is there twice",
      GPT2,
      { tensors: copy("wte.weight", "module.wte.weight") },
      /has wte\.weight and module\.wte\.weight, which are one/,
    ],
    [
      "another vocabulary",
      LLAMA,
      { config: { vocab_size: 60 } },
      /embed_tokens\.weight is \[50, 24\], config\.json says \[60, 24\]/,
    ],
    [
      "quantized weights",
      LLAMA,
      { config: { quantization_config: { quant_method: "gptq" } } },
      /quantization_config \(quant_method is gptq\)/,
    ],
    [
      "code of its own",
      LLAMA,
      { config: { auto_map: { AutoModelForCausalLM: "modeling.Own" } } },
      /auto_map: .* \(AutoModelForCausalLM\), which is never run/,
    ],
    [
      "a classifier",
      GPT2,
      { config: { architectures: ["GPT2ForSequenceClassification"] } },
      /architectures is GPT2ForSequenceClassification, must be GPT2LMHeadModel/,
    ],
    ["windows of attention", LLAMA, { config: { sliding_window: 8 } }, /sliding_window is 8/],
    [
      "windows in some layers",
      LLAMA,
      { config: { layer_types: ["sliding_attention", "full_attention"] } },
      /layer_types is \["sliding/,
    ],
    [
      "capped logits",
      LLAMA,
      { config: { final_logit_softcapping: 30 } },
      /final_logit_softcapping is 30/,
    ],
    [
      "weights under a name of their own",
      GPT2,
      { config: { transformers_weights: "other.safetensors" } },
      /transformers_weights/,
    ],
  ])("%s", (_name, from, changes, said) => {
    expect(refusal(change(from, changes))).toMatch(said);
  });

  test("sizes that do not fit together, by the file", () => {
    const folder = change(LLAMA, { config: { num_key_value_heads: 4 } });
    expect(refusal(folder)).toMatch(/config\.json: 4 KV heads do not divide the 6 heads/);
  });

  test("a pointer of Git LFS", () => {
    const folder = change(GPT2, {});
    const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n";
    writeFileSync(join(folder, "model.safetensors"), pointer);
    expect(refusal(folder)).toMatch(/model\.safetensors: is a pointer of Git LFS .* git lfs pull/);
  });

  test("an adapter, by the model that it changes", () => {
    const folder = change(GPT2, {});
    const adapter = { peft_type: "LORA", base_model_name_or_path: "openai/gpt2" };
    writeFileSync(join(folder, "adapter_config.json"), JSON.stringify(adapter));
    expect(refusal(folder)).toMatch(/is an adapter of openai\/gpt2 .*merge/);
    rmSync(join(folder, "config.json"));
    expect(refusal(folder)).toMatch(/is an adapter of openai\/gpt2/);
  });

  test.each([
    ["pytorch_model.bin", /files like pytorch_model\.bin, which are pickled/],
    [
      "pytorch_model.bin.index.json",
      /files like pytorch_model\.bin\.index\.json, which are pickled/,
    ],
    [
      "model.fp16.safetensors",
      /neither model\.safetensors nor .* and model\.fp16\.safetensors is not read/,
    ],
    ["ggml-model-q4.gguf", /ggml-model-q4\.gguf is not read/],
  ])("weights in %s alone", (name, said) => {
    const folder = scratch(String((folders += 1)));
    mkdirSync(folder);
    cpSync(join(GPT2, "config.json"), join(folder, "config.json"));
    writeFileSync(join(folder, name), "");
    expect(refusal(folder)).toMatch(said);
  });
});
