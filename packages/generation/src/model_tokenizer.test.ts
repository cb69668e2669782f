import { describe, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { bpeTokenizer, byteModel, byteTokenizer, specialTokens } from "@tessera/tokenizer";
import { encodePrompt, generateAll, greedy, type Engine, type ModelTokenizer } from "./index.js";

/** Bytes, and two special tokens behind them. */
const special = (() => {
  const { tokens } = byteModel;
  const [begin, end] = ["<s>", "</s>"].map((text) => new TextEncoder().encode(text));
  const bytes = Uint8Array.from([...tokens.bytes, ...begin!, ...end!]);
  const starts = Int32Array.from([...tokens.starts, 259, 263]);
  const added = specialTokens([
    ["<s>", 256],
    ["</s>", 257],
  ]);
  return bpeTokenizer({ ...byteModel, tokens: { bytes, starts }, added, endOfText: 257 });
})();

/** An engine that says the ids of `text` one after the other. */
function saying(text: readonly number[]): Engine {
  const vocabularySize = 300;
  let at = 0;
  return {
    name: "native",
    vocabularySize,
    maxPositions: 64,
    rows: 1,
    run() {
      const logits = new Float32Array(vocabularySize);
      logits[text[at]!] = 1;
      at += 1;
      return Promise.resolve(logits);
    },
    copyRow: () => undefined,
    close: () => Promise.resolve(),
  };
}

async function write(tokenizer: ModelTokenizer, ids: readonly number[], ignoreEnd = false) {
  const request = { prompt: "a", maxTokens: ids.length, sampling: greedy, ignoreEnd };
  let completion: unknown;
  await generateAll(saying(ids), tokenizer, [request], (written) => (completion = written));
  return completion;
}

describe("a text ends", () => {
  test("at each of the ids that the model's files name, and at no other", async () => {
    const specials = { bos: null, eos: [99, 257], pad: null };
    const named = { ...byteTokenizer, specials };
    expect(await write(named, [98, 99, 98])).toEqual({ text: "b", finish: "stop" });
    expect(await write(named, [98, 257, 98])).toEqual({ text: "b", finish: "stop" });
    expect(await write({ ...special, specials: { ...specials, eos: [99] } }, [257, 98])).toEqual({
      text: "</s>b",
      finish: "length",
    });
  });

  test("at the tokenizer's, where no file names one, unless ends are ignored", async () => {
    expect(await write(special, [98, 257, 98])).toEqual({ text: "b", finish: "stop" });
    expect(await write(special, [98, 257, 98], true)).toMatchObject({ finish: "length" });
    expect(await write(byteTokenizer, [98, 10, 98])).toMatchObject({ finish: "length" });
  });
});

describe("a prompt", () => {
  test("has tokens for the special tokens in it, unless they are split", () => {
    expect(encodePrompt(special, "a</s>")).toEqual([97, 257]);
    const split = [97, ...Buffer.from("</s>")];
    expect(encodePrompt(special, "a</s>", { splitSpecialTokens: true })).toEqual(split);
    const byDefault = { ...special, encoding: { splitSpecialTokens: true } };
    expect(encodePrompt(byDefault, "a</s>")).toEqual(split);
    expect(encodePrompt(byDefault, "a</s>", { splitSpecialTokens: false })).toEqual([97, 257]);
  });

  test("has around it what the tokenizer's file puts there, unless that is switched off", () => {
    const template = { before: [256], after: [257] };
    const wrapping: ModelTokenizer = bpeTokenizer({ ...special.model, template });
    expect(encodePrompt(wrapping, "a")).toEqual([256, 97, 257]);
    expect(encodePrompt(wrapping, "")).toEqual([256, 257]);
    expect(encodePrompt(wrapping, "a", { addSpecialTokens: false })).toEqual([97]);
  });

  test("that is empty is the id that begins a text, or else ends one", () => {
    const withIds = (bos: number | null, eos: readonly number[]): ModelTokenizer => ({
      ...special,
      specials: { bos, eos, pad: null },
    });
    expect(encodePrompt(withIds(256, [257]), "")).toEqual([256]);
    expect(encodePrompt(withIds(null, [99, 257]), "")).toEqual([99]);
    expect(encodePrompt(special, "")).toEqual([257]);
    expect(() => encodePrompt(withIds(null, []), "")).toThrow(UserError);
  });
});
