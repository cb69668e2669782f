import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend, tensor, tidy } from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import { gpt, gptConfig } from "@tessera/gpt";
import { evalContext } from "@tessera/layers";
import { leaves, type ParamSpec } from "@tessera/params";
import type { Dtype } from "./dtype.js";
import { openModel, readModel, readModelConfig, writeModelSteps } from "./index.js";

const FIXTURES = join(__dirname, "../../../fixtures");
const GPTJ = join(FIXTURES, "hugging-face/gptj");
const LLAMA = join(FIXTURES, "hugging-face/llama");
const GPT2 = join(FIXTURES, "golden");

let scratch: string;
beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
});
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "tessera-hugging-face-"));
});
afterEach(() => rmSync(scratch, { recursive: true }));

test.each([GPTJ, LLAMA])("%s: the logits are those of the library that saved it", (folder) => {
  const { ids, logits } = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as {
    readonly ids: number[];
    readonly logits: readonly (readonly number[])[];
  };
  const config = readModelConfig(folder);
  const [model, params] = [gpt(config), readModel(folder, config)];
  const actual = tidy(() => {
    const x = tensor(ids, [1, ids.length], "int32");
    return model.logits(params, model.activations(params, x, evalContext)).dataSync<"float32">();
  });
  const expected = logits.flat();
  expect(actual).toHaveLength(expected.length);
  const apart = actual.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - expected[i]!)),
    0,
  );
  expect(apart).toBeLessThan(1e-5);
});

/** Copies the model in `from` by reading and writing it. */
function convert(from: string, name: string, dtype: Dtype, maxShardBytes?: number): string {
  const to = join(scratch, name);
  mkdirSync(to);
  const model = openModel(from);
  const options = { dtype, ...(maxShardBytes !== undefined && { maxShardBytes }) };
  for (const { doneBytes, totalBytes } of writeModelSteps(
    to,
    model.config,
    (path) => model.valuesAt(path),
    options,
  )) {
    expect(doneBytes).toBeLessThanOrEqual(totalBytes);
  }
  model.close();
  return to;
}

const filesOf = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name)).toString("base64")]),
  );

describe.each([GPT2, GPTJ, LLAMA])("%s", (source) => {
  test.each([
    ["F32", undefined],
    ["F32", 5000],
    ["BF16", 5000],
    ["F16", undefined],
  ] as const)(
    "written in %s, read, and written again: the same bytes (shards of %s)",
    (dtype, most) => {
      const first = convert(source, "first", dtype, most);
      const second = convert(first, "second", dtype, most);
      expect(filesOf(second)).toEqual(filesOf(first));
      expect(readdirSync(first).length > 4).toBe(most !== undefined);
      expect(readModelConfig(first)).toEqual(readModelConfig(source));
    },
  );

  test("is written without loss", () => {
    const [theirs, ours] = [openModel(source), openModel(convert(source, "ours", "F32", 4000))];
    for (const [path] of leaves<ParamSpec>(gpt(theirs.config).spec)) {
      expect(ours.valuesAt(path)).toEqual(theirs.valuesAt(path));
    }
  });
});

describe("a folder that is not a supported model is refused with a UserError", () => {
  const refusal = (folder: string): string => {
    try {
      openModel(folder).close();
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      return (error as UserError).message;
    }
    throw new Error("was not refused");
  };
  const changed = (from: string, changes: object): string => {
    const folder = join(scratch, "changed");
    cpSync(from, folder, { recursive: true });
    const path = join(folder, "config.json");
    const json = JSON.parse(readFileSync(path, "utf8")) as object;
    writeFileSync(path, JSON.stringify({ ...json, ...changes }));
    return folder;
  };

  test.each<[string, string, object, RegExp]>([
    [
      "another family",
      GPT2,
      { model_type: "bert" },
      /model_type is "bert", must be one of gpt2, gptj/,
    ],
    ["no family", GPT2, { model_type: ["gpt2"] }, /model_type is \["gpt2"\]/],
    ["another activation", GPTJ, { activation_function: "relu" }, /activation_function/],
    ["other positions", LLAMA, { rope_scaling: { type: "longrope", factor: 2 } }, /rope_scaling/],
    ["wider heads", LLAMA, { head_dim: 64 }, /q_proj.weight is \[24, 24\], .* \[384, 24\]/],
    ["heads that do not divide", LLAMA, { num_attention_heads: 7 }, /7 heads do not divide .* 24/],
    ["endless layers", LLAMA, { num_hidden_layers: 1e12 }, /num_hidden_layers/],
    ["endless width", GPT2, { n_embd: 2 ** 40 }, /n_embd/],
    ["a width of text", GPT2, { n_embd: "64" }, /n_embd/],
    [
      "other shapes",
      GPTJ,
      { n_inner: 41 },
      /fc_in\.weight is \[40, 24\], config\.json says \[41, 24\]/,
    ],
    ["more layers", LLAMA, { num_hidden_layers: 3 }, /no tensor model\.layers\.2/],
  ])("%s", (_name, from, changes, said) => {
    expect(refusal(changed(from, changes))).toMatch(said);
  });

  test.each(["{", "[".repeat(100_000), "null", '"text"', "\u0000", " ".repeat(2 ** 20 + 1)])(
    "config.json of %.9s",
    (text) => {
      const folder = changed(GPT2, {});
      writeFileSync(join(folder, "config.json"), text);
      expect(refusal(folder)).toMatch(
        /config\.json: (is not JSON|is nested|model_type is|has \d+ bytes)/,
      );
    },
  );

  test.each(["../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", ".safetensors", 7])(
    "an index that names the file %s",
    (name) => {
      const folder = changed(GPT2, {});
      rmSync(join(folder, "model.safetensors"));
      const index = { weight_map: { "wte.weight": name } };
      writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify(index));
      expect(refusal(folder)).toMatch(/is no index of safetensors files in its folder/);
    },
  );

  test("an index that names tensors which its files lack", () => {
    const folder = changed(GPT2, {});
    renameSync(join(folder, "model.safetensors"), join(folder, "part.safetensors"));
    const index = { weight_map: { __proto__: null, nothing: "part.safetensors" } };
    writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify(index));
    expect(refusal(folder)).toMatch(/has no tensor nothing, which the index says it has/);
  });

  test.each([
    [
      "mp_rank_00_model_states.pt",
      /is a checkpoint of Megatron-DeepSpeed .* pickled Python objects/,
    ],
    ["pytorch_model.bin", /has its weights in files like pytorch_model\.bin, .* pickled/],
    ["readme.txt", /config\.json: cannot be read/],
  ])("a folder with %s", (name, said) => {
    writeFileSync(join(scratch, name), "");
    expect(refusal(scratch)).toMatch(said);
  });
});

test("a Llama's rotary base is also read from the key of newer files", () => {
  const folder = join(scratch, "newer");
  cpSync(LLAMA, folder, { recursive: true });
  const path = join(folder, "config.json");
  const { rope_theta, ...json } = JSON.parse(readFileSync(path, "utf8")) as { rope_theta: number };
  const newer = { ...json, rope_parameters: { rope_type: "default", rope_theta } };
  writeFileSync(path, JSON.stringify(newer));
  expect(readModelConfig(folder)).toEqual(readModelConfig(LLAMA));
  expect(gptConfig(readModelConfig(folder)).positions).toMatchObject({ base: 500 });
});
