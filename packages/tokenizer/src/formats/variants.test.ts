// Tokenizer files with each part that is followed, against the ids of Hugging Face's tokenizers 0.23.3
// (fixtures/variants.json).

import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { writeFileSync } from "node:fs";
import { variants, texts } from "../programs/variants.js";
import { bpeTokenizer, readTokenizerJson, writeTokenizerJson } from "../index.js";

const at = scratchFolder("variants");

test.each(variants)("$name: its texts have tokenizers' ids", ({ file, allow, text }) => {
  writeFileSync(at("tokenizer.json"), JSON.stringify(file));
  const model = readTokenizerJson(at("tokenizer.json"));
  const tokenizer = bpeTokenizer(model);
  expect(texts.map((one) => [...tokenizer.encode(one, { special: "allow" })])).toEqual(allow);
  expect(texts.map((one) => [...tokenizer.encode(one)])).toEqual(text);
  writeTokenizerJson(at("again.json"), model);
  const again = bpeTokenizer(readTokenizerJson(at("again.json")));
  expect(texts.map((one) => [...again.encode(one)])).toEqual(text);
});
