// `tessera tokenizer encode` and `decode`: stdin to stdout.

import { choice, EXIT, toggle, UserError } from "@tessera/config";
import { chooseTokenizer, tokenizerFlags } from "@tessera/tokenizer/flags";
import { defineCommand } from "../command.js";
import { answerLines, fieldOf, readStdin } from "./lines.js";

const encodeProgram = {
  name: "tessera tokenizer encode",
  summary: "Text on stdin to ids on stdout.",
  groups: {
    Tokenizer: {
      ...tokenizerFlags("gpt2"),
      special: choice("special tokens in text are", ["text", "allow", "refuse"], "text"),
      "add-special-tokens": toggle("put around a text what the tokenizer's file puts there", false),
    },
    Lines: { jsonl: toggle('lines {"text"} in, lines {"ids"} out', false) },
  },
} as const;

export const encodeCommand = defineCommand(encodeProgram, async (parsed) => {
  const { special, jsonl, "add-special-tokens": addSpecialTokens } = parsed.values;
  const tokenizer = chooseTokenizer(parsed.values, "gpt2");
  if (!jsonl) {
    const ids = tokenizer.encode(await readStdin(), { special, addSpecialTokens });
    process.stdout.write(`${ids.join(" ")}\n`);
    return EXIT.done;
  }
  const textOf = (value: unknown) => {
    const text = fieldOf(value, "text");
    return typeof text === "string" ? text : undefined;
  };
  await answerLines(textOf, '{"text": "..."}', (text) => ({
    ids: [...tokenizer.encode(text, { special, addSpecialTokens })],
  }));
  return EXIT.done;
});

const decodeProgram = {
  name: "tessera tokenizer decode",
  summary: "Ids on stdin to text on stdout.",
  groups: {
    Tokenizer: tokenizerFlags("gpt2"),
    Lines: { jsonl: toggle('lines {"ids"} in, lines {"text"} out', false) },
  },
} as const;

export const decodeCommand = defineCommand(decodeProgram, async (parsed) => {
  const tokenizer = chooseTokenizer(parsed.values, "gpt2");
  if (!parsed.values.jsonl) {
    const words = (await readStdin()).split(/\s+/).filter(Boolean);
    if (!words.every((word) => /^\d+$/.test(word))) {
      throw new UserError("the input must be ids with spaces between, or --jsonl");
    }
    process.stdout.write(tokenizer.decode(words.map(Number)));
    return EXIT.done;
  }
  const idsOf = (value: unknown) => {
    const ids = fieldOf(value, "ids");
    const isIds = Array.isArray(ids) && ids.every((id) => Number.isInteger(id));
    return isIds ? (ids as readonly number[]) : undefined;
  };
  await answerLines(idsOf, '{"ids": [...]}', (ids) => ({ text: tokenizer.decode(ids) }));
  return EXIT.done;
});
