import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import {
  changeModel,
  copy,
  digestModel,
  GPT2,
  LLAMA,
  readTensors,
  rename,
  writeTensors,
  type Changes,
} from "../programs/change_model.js";

const scratch = scratchFolder("loading");
let folders = 0;

function change(from: string, changes: Changes): string {
  const folder = scratch(String((folders += 1)));
  changeModel(from, folder, changes);
  return folder;
}

const theta = (value: number) => ({ rope_type: "default", rope_theta: value });
const untold = { rope_theta: undefined, rope_scaling: undefined };

// Each was loaded by transformers 5.24 with the logits of the original, but those that say otherwise.
describe("the same model is loaded", () => {
  test.each<[string, string, Changes]>([
    ["without its prefix", LLAMA, { tensors: rename((name) => name.replace(/^model\./, "")) }],
    [
      "with the prefix of a whole model",
      GPT2,
      { tensors: rename((name) => `transformer.${name}`) },
    ],
    [
      "with buffers of older versions",
      GPT2,
      {
        tensors: (tensors) =>
          new Map([
            ...tensors,
            ["h.0.attn.bias", { shape: [1, 1, 2, 2], values: new Float32Array(4) }],
            ["h.1.attn.masked_bias", { shape: [], values: new Float32Array(1) }],
          ]),
      },
    ],
    ["with the tied head stored", GPT2, { tensors: copy("wte.weight", "lm_head.weight") }],
    ["of GPT2Model", GPT2, { config: { architectures: ["GPT2Model"] } }],
    ["with swish", LLAMA, { config: { hidden_act: "swish" } }],
    ["with rope_parameters", LLAMA, { config: { ...untold, rope_parameters: theta(500) } }],
    [
      "with the older name of a type",
      LLAMA,
      { config: { ...untold, rope_parameters: { type: "default", rope_theta: 500 } } },
    ],
    [
      "with rope_theta beside rope_parameters",
      LLAMA,
      { config: { rope_scaling: undefined, rope_parameters: { rope_type: "default" } } },
    ],
    [
      "with another rope_theta beside that of rope_parameters",
      LLAMA,
      { config: { rope_scaling: undefined, rope_theta: 7, rope_parameters: theta(500) } },
    ],
    [
      "with rope_theta in rope_scaling",
      LLAMA,
      { config: { rope_theta: 7, rope_scaling: theta(500) } },
    ],
    [
      "with an empty rope_scaling",
      LLAMA,
      { config: { rope_theta: undefined, rope_scaling: {}, rope_parameters: { rope_theta: 500 } } },
    ],
    [
      "with rope_scaling before rope_parameters",
      LLAMA,
      { config: { rope_scaling: { type: "default" }, rope_parameters: theta(7) } },
    ],
    // transformers does not find the weights under these names, and takes random ones.
    ["saved compiled", LLAMA, { tensors: rename((name) => `_orig_mod.${name}`) }],
    ["saved under DDP", GPT2, { tensors: rename((name) => `module.${name}`) }],
    ["saved compiled under DDP", GPT2, { tensors: rename((name) => `module._orig_mod.${name}`) }],
    ["saved under DDP, compiled", GPT2, { tensors: rename((name) => `_orig_mod.module.${name}`) }],
    [
      "with compiled blocks under FSDP",
      LLAMA,
      {
        tensors: rename((name) =>
          name.replace(/layers\.\d+\./, "$&_orig_mod.").replace(/^/, "_fsdp_wrapped_module."),
        ),
      },
    ],
  ])("%s", (_name, from, changes) => {
    expect(digestModel(change(from, changes))).toEqual(digestModel(from));
  });

  test("from a single file beside an index of older ones", () => {
    const folder = change(GPT2, {});
    const old = readTensors(GPT2);
    for (const { values } of old.values()) values.fill(0);
    writeTensors(join(folder, "model-00001-of-00001.safetensors"), old);
    const names = [...old.keys()].map((name) => [name, "model-00001-of-00001.safetensors"]);
    const index = { weight_map: Object.fromEntries(names) as unknown };
    writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify(index));
    expect(digestModel(folder)).toEqual(digestModel(GPT2));
    rmSync(join(folder, "model.safetensors"));
    expect(digestModel(folder)).not.toEqual(digestModel(GPT2));
  });
});
