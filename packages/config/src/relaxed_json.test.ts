import { describe, expect, test } from "@jest/globals";
import { parseRelaxedJson } from "./relaxed_json.js";

test("what is JSON is read as JSON is", () => {
  const value = {
    a: [1, -2.5e-3, true, null, 'x\n\u00e9\\"'],
    "b c": { __proto__x: {}, "": [] },
    big: 5e8,
  };
  for (const indent of [0, 2]) {
    expect(parseRelaxedJson(JSON.stringify(value, null, indent))).toEqual(value);
  }
  expect(parseRelaxedJson(' "text" ')).toBe("text");
});

test("comments, a comma behind the last entry, and keys without quotes are taken", () => {
  const text = `// a configuration
  { # of two parts
    fp16: { "enabled": true, }, /* and
    more */ "betas": [0.9, 0.95,], // "url": "http://x"
    "url": "http://x" }`;
  expect(parseRelaxedJson(text)).toEqual({
    fp16: { enabled: true },
    betas: [0.9, 0.95],
    url: "http://x",
  });
});

test("a key that would reach an object's prototype is a key like others", () => {
  const value = parseRelaxedJson('{"__proto__": {"enabled": true}}') as object;
  expect(Object.hasOwn(value, "__proto__")).toBe(true);
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
});

describe("is refused with its line:", () => {
  test.each([
    ["a key twice", '{\n"lr": 1,\n"lr": 2}', 'line 3: "lr" is there twice; keep one of them'],
    ["one in a part", '{"a": {"b": 1, "b": 1}}', 'line 1: "b" is there twice'],
    ["text without quotes", '{\n"type": AdamW}', 'line 2: AdamW is no value; write "AdamW"'],
    ["a number of Python's", '{"lr": NaN}', "NaN is no value"],
    ["no comma", '{"a": 1 "b": 2}', "line 1: a comma or } is missing"],
    ["no end", '{"a": [1', "a comma or ] is missing"],
    ["no value", '{"a": }', "line 1: is no JSON"],
    ["two values", "{} {}", "something follows its end"],
    ["an open comment", "/* {}", "is no JSON"],
    ["no text of JSON", '{"a": "\\x"}', "is no text of JSON"],
    ["nothing", "", "line 1: is no JSON"],
    ["endless depth", "[".repeat(100_000), "is more than 64 levels deep"],
  ])("%s", (_what, text, said) => {
    expect(() => parseRelaxedJson(text)).toThrow(said);
  });
});
