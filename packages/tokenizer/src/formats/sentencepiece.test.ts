// Files that SentencePiece 0.2 wrote, and what it says of them.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { mutate, scratchFolder, seededRandom } from "@tessera/testing";
import { readSentencePiece } from "../index.js";

const at = scratchFolder("sentencepiece");
const fixture = (name: string): string => join(__dirname, "../../fixtures", name);

test("a model's ids are counted, and the one that ends texts is its own", () => {
  expect(readSentencePiece(fixture("sentencepiece.model"))).toEqual({ size: 70, endOfText: 2 });
  expect(readSentencePiece(fixture("sentencepiece_without_end.model"))).toEqual({
    size: 64,
    endOfText: null,
  });
});

test("whatever else a file holds is read or refused by name", () => {
  const bytes = readFileSync(fixture("sentencepiece.model"));
  const random = seededRandom(5);
  const path = at("tokenizer.model");
  for (let i = 0; i < 200; i += 1) {
    writeFileSync(path, mutate(bytes, random));
    try {
      const { size, endOfText } = readSentencePiece(path);
      expect(endOfText ?? 0).toBeLessThan(size);
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      expect(String(error)).toContain(path);
    }
  }
});

test.each(["", "{}", "\x0a\xff\xff\xff\xff\x0f"])("%j is no model", (text) => {
  const path = at("none.model");
  writeFileSync(path, Buffer.from(text, "latin1"));
  expect(() => readSentencePiece(path)).toThrow(`${path}: is no model of SentencePiece`);
});
