// --pretrained-checkpoint: the model is that of the folder, and flags that contradict it are refused.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend, type Tensor } from "@tensorflow/tfjs-core";
import { readModel, readModelConfig } from "@tessera/checkpoint";
import { parseFlags, UserError } from "@tessera/config";
import { gpt, type GptParams } from "@tessera/gpt";
import { disposeTree, leafAt, leaves } from "@tessera/params";
import { scratchFolder } from "@tessera/testing";
import { checkExport, exportTrained } from "./export.js";
import { program, type Flags } from "./flags.js";
import { chooseModel, pretrainedFolder } from "./pretrained.js";
import { chooseRun } from "./run_config.js";
import { vocabularyOf } from "./vocabulary.js";

const LLAMA = join(__dirname, "../../../fixtures/hugging-face/llama");
const at = scratchFolder("pretrained");

const RUN = "--seq-length 16 --micro-batch-size 1 --train-iters 1 --lr 1e-3 --data-path data";

function parse(line: string): Flags {
  const tokenizer = "--tokenizer-type NullTokenizer --vocab-size 40";
  const parsed = parseFlags(program, `${RUN} ${tokenizer} ${line}`.split(" "));
  if (!("values" in parsed)) throw new Error("flags were asked for");
  return parsed.values;
}

const from = (line: string): Flags => parse(`--pretrained-checkpoint ${LLAMA} ${line}`.trim());

beforeAll(() => {
  enableProdMode();
  return setBackend("cpu");
});

test("the folder says the model, but for dropout; flags may repeat what it says", () => {
  const config = readModelConfig(LLAMA);
  const dropout = { embedding: 0.1, attention: 0.1, residual: 0.1 };
  expect(chooseModel(from(""), 41)).toEqual({ ...config, dropout });
  const said =
    "--num-layers 2 --hidden-size 24 --num-attention-heads 6 --group-query-attention --swiglu " +
    "--num-query-groups 2 --normalization RMSNorm --position-embedding-type rope --rotary-base 500 " +
    "--untie-embeddings-and-output-weights --disable-bias-linear --layernorm-epsilon 1e-6 --attention-dropout 0";
  expect(chooseModel(from(said), 41).dropout).toMatchObject({ attention: 0, residual: 0.1 });
});

test.each([
  ["--hidden-size 32", /--hidden-size 32: the model in \S+llama has 24; leave the flag out/],
  ["--num-query-groups 6", /--num-query-groups 6: the model in \S+ has 2/],
  ["--position-embedding-type learned_absolute", /has rope; leave/],
  ["--rotary-base 10", /--rotary-base 10: the model in \S+ has 500/],
  ["--seq-length 64", /--seq-length 64: the model in \S+ has 32 positions; lower it/],
  ["--vocab-size 60", /the tokenizer has 61 ids, the model in \S+ 50: name the one/],
])("%s is refused", (line, said) => {
  const flags = from(line);
  const refused = () => chooseModel(flags, vocabularyOf(flags).size);
  expect(refused).toThrow(UserError);
  expect(refused).toThrow(said);
});

test("a run starts from the weights of the parameters that a rank has", () => {
  const flags = from("");
  const { config, gpt: model } = chooseRun(flags, 1, vocabularyOf(flags));
  const { spec } = gpt(model);
  const { embedding } = spec;
  const read = config.weights!({ embedding }) as Pick<GptParams, "embedding">;
  const full = readModel(LLAMA, model);
  expect(leaves<Tensor>(read).map(([path]) => path)).toEqual(["embedding.token"]);
  const [actual, expected] = [read, full].map((tree) => leafAt<Tensor>(tree, "embedding.token")!);
  expect(actual!.dataSync()).toEqual(expected!.dataSync());
  disposeTree(full);
  disposeTree(read);
});

test("an export needs a checkpoint, and says what it lacks", () => {
  expect(() => checkExport(parse("--export-dir x"), readModelConfig(LLAMA))).toThrow(
    /--export-dir x: .* add --save/,
  );
  mkdirSync(at("target"));
  const flags = parse(`--export-dir ${at("target")} --save x`);
  const positions = readModelConfig(LLAMA).positions;
  const lines = exportTrained(
    flags,
    { ...readModelConfig(LLAMA), norm: "layer", positions },
    vocabularyOf(flags),
    LLAMA,
  );
  expect(lines[0]).toMatch(/in Hugging Face's layout, without a tokenizer$/);
  expect(lines[1]).toMatch(/transformers cannot load it: .*of llama it differs in norm/);
  expect(pretrainedFolder(flags)).toBeUndefined();
});
