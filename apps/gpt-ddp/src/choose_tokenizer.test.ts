import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import { parseFlags, UserError } from "@tessera/config";
import { scratchFolder } from "@tessera/testing";
import { byteTokenizer, gpt2Model, saveTokenizer, writeTokenizerJson } from "@tessera/tokenizer";
import { chooseConfig } from "./choose_model.js";
import { exportOptions, tokenizerName } from "./choose_tokenizer.js";
import { program, type Flags } from "./flags.js";
import { chooseRun } from "./run_config.js";

const at = scratchFolder("choose-tokenizer");

const sizes = { n_positions: 16, n_embd: 8, n_layer: 1, n_head: 2 };

function parse(...argv: string[]): Flags {
  const parsed = parseFlags(program, argv);
  if (!("values" in parsed)) throw new Error("flags were asked for");
  return parsed.values;
}

const choose = (flags: Flags) =>
  chooseRun({ flags, notes: [], globalBatch: null, origins: new Map() }, 1);

/** A model that ends texts at 5 or 6, with a tokenizer of bytes. */
beforeAll(() => {
  mkdirSync(at("model"));
  const config = { model_type: "gpt2", vocab_size: 300, ...sizes, bos_token_id: 4 };
  writeFileSync(join(at("model"), "config.json"), JSON.stringify(config));
  const generation = { eos_token_id: [5, 6], temperature: 0.6 };
  writeFileSync(join(at("model"), "generation_config.json"), JSON.stringify(generation));
  saveTokenizer(byteTokenizer, at("model"));
  mkdirSync(at("bare"));
  writeFileSync(join(at("bare"), "config.json"), JSON.stringify(config));
  writeTokenizerJson(at("large.json"), gpt2Model());
});

test("a folder to start from brings its tokenizer, and what begins and ends its texts", async () => {
  const flags = parse("--model_name_or_path", at("model"), "--max_len", "16");
  expect(tokenizerName(flags)).toBe(at("model"));
  const { tokenizer } = await choose(flags);
  expect(tokenizer.specials).toEqual({ bos: 4, eos: [5, 6], pad: null });
  mkdirSync(at("exported"));
  const options = exportOptions(flags, tokenizer);
  options.addFiles(at("exported"));
  expect(options).toMatchObject({ specials: tokenizer.specials, generationFrom: at("model") });
});

test("a tokenizer that is named is taken instead, and bytes where there is none", async () => {
  const named = parse(
    "--model_name_or_path",
    at("model"),
    "--tokenizer",
    "bytes",
    "--max_len",
    "16",
  );
  expect(tokenizerName(named)).toBe("bytes");
  const { tokenizer } = await choose(named);
  expect(tokenizer.specials).toEqual({ bos: null, eos: [], pad: null });
  expect(tokenizerName(parse("--model_name_or_path", at("bare")))).toBe("bytes");
  expect(tokenizerName(parse())).toBe("bytes");
});

test("a tokenizer with more ids than the folder's model is refused by name", () => {
  const flags = parse("--model_name_or_path", at("model"), "--tokenizer", at("large.json"));
  const refused = () => chooseConfig({ flags, origins: new Map() }, 50257);
  expect(refused).toThrow(UserError);
  expect(refused).toThrow(/knows 300 ids, tokenizer \S+large\.json has 50257/);
});
