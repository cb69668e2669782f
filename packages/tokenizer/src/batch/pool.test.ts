import { expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { gpt2Tokenizer } from "../index.js";
import { encodeBatch } from "./encode_batch.js";

const gpt2 = gpt2Tokenizer();

test("texts that threads encode come back in their order, whatever their lengths", async () => {
  const texts = Array.from({ length: 500 }, (_, i) => `text ${i} `.repeat(1 + ((7 * i) % 90)));
  const ids = await encodeBatch(gpt2, texts, { threads: 3 });
  expect(ids).toHaveLength(500);
  expect(ids.map((some) => some.join())).toEqual(texts.map((text) => gpt2.encode(text).join()));
});

test("a text that a thread refuses is reported as by the tokenizer itself", async () => {
  const texts = ["a", "b<|endoftext|>"];
  const batch = encodeBatch(gpt2, texts, { threads: 2, special: "refuse" });
  await expect(batch).rejects.toBeInstanceOf(UserError);
  await expect(batch).rejects.toThrow(/has the special token <\|endoftext\|>/);
});
