// What is wrong with a value that a schema of valibot refuses, in plain words.

/** The part of valibot's issues that is read here. */
export interface SchemaIssue {
  readonly kind: string;
  readonly type: string;
  /** In valibot's words: `(string | Array)`, `>=1`. */
  readonly expected: string | null;
  readonly received: string;
  readonly message: string;
  readonly path?: readonly { readonly key: unknown }[] | undefined;
}

const KINDS: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  boolean: "true or false",
  Array: "a list",
  Object: "an object",
};

const SIGNS: Readonly<Record<string, string>> = {
  ">=": "at least ",
  "<=": "at most ",
  ">": "above ",
  "<": "below ",
};

/** "n_layer: must be a number, is text", "vocab_size: is missing", of the first issue. */
export function describeIssue([issue]: readonly [SchemaIssue, ...SchemaIssue[]]): string {
  const key = issue.path?.map((item) => String(item.key)).join(".") ?? "";
  return `${key === "" ? "all of it" : key}: ${describeFault(issue)}`.replace(/\s+/g, " ");
}

/** The same without the key: "must be a number, is text". */
export function describeFault({ kind, type, expected, received, message }: SchemaIssue): string {
  if (!message.startsWith("Invalid ")) return message; // the schema's author wrote it
  if (expected === "never") return "is not known here";
  if (received === "undefined") return "is missing";
  const is = `, is ${KINDS[received] ?? received}`;
  if (kind === "schema") return `must be ${nameKinds(expected ?? "something else")}${is}`;
  const bound = /^(>=|<=|>|<)(.*)$/.exec(expected ?? "");
  if (bound !== null) {
    const what = type.endsWith("_value") ? "must be" : "its length must be";
    return `${what} ${SIGNS[bound[1]!]!}${bound[2]!}${is}`;
  }
  switch (type) {
    case "integer":
    case "safe_integer":
      return `must be a whole number${is}`;
    case "finite":
      return `must be finite${is}`;
    case "non_empty":
      return "must not be empty";
    case "regex":
      return `must match ${expected!}${is}`;
    default:
      return message;
  }
}

/** `("a" | "b")` as "a" or "b". */
const nameKinds = (expected: string): string =>
  expected
    .replace(/^\((.*)\)$/, "$1")
    .split(" | ")
    .map((one) => KINDS[one] ?? one)
    .join(" or ");
