// What is said of issues as valibot 1.5 reports them.

import { expect, test } from "@jest/globals";
import { describeIssue, type SchemaIssue } from "./issues.js";

const issue = (
  kind: string,
  type: string,
  expected: string | null,
  received: string,
  ...keys: (string | number)[]
): SchemaIssue => ({
  kind,
  type,
  expected,
  received,
  message: `Invalid type: Expected ${expected} but received ${received}`,
  path: keys.map((key) => ({ key })),
});

test.each([
  [issue("schema", "number", "number", '"12"', "n_layer"), 'n_layer: must be a number, is "12"'],
  [
    issue("schema", "union", "(string | Array)", "5", "prompt"),
    "prompt: must be text or a list, is 5",
  ],
  [issue("schema", "object", '"vocab_size"', "undefined", "vocab_size"), "vocab_size: is missing"],
  [
    issue("schema", "null", "null", "Object", "normalizer"),
    "normalizer: must be null, is an object",
  ],
  [
    issue("schema", "picklist", '("gelu" | "swiglu")', '"relu"', "a", 2),
    'a.2: must be "gelu" or "swiglu", is "relu"',
  ],
  [issue("schema", "strict_object", "never", '"extra"', "extra"), "extra: is not known here"],
  [issue("validation", "min_value", ">=1", "0", "n_head"), "n_head: must be at least 1, is 0"],
  [issue("validation", "gt_value", ">0", "-1", "rate"), "rate: must be above 0, is -1"],
  [
    issue("validation", "min_length", ">=1", "0", "stop"),
    "stop: its length must be at least 1, is 0",
  ],
  [issue("validation", "safe_integer", null, "1.5", "n"), "n: must be a whole number, is 1.5"],
  [issue("validation", "finite", null, "Infinity", "n"), "n: must be finite, is Infinity"],
  [issue("validation", "non_empty", "!0", "0", "stop"), "stop: must not be empty"],
  [issue("validation", "regex", "/x/", '"y"', "id"), 'id: must match /x/, is "y"'],
  [issue("schema", "object", "Object", "Array"), "all of it: must be an object, is a list"],
  [
    { ...issue("validation", "check", null, '"x"', "model"), message: "names no model" },
    "model: names no model",
  ],
])("%#", (one, said) => {
  expect(describeIssue([one])).toBe(said);
});
