// Seeded mutations of files: the same seed gives the same bytes.

/** A number in [0, 1). */
export type RandomNumber = () => number;

/** The minimal standard generator of Park and Miller. */
export function seededRandom(seed: number): RandomNumber {
  let state = 1 + (Math.abs(Math.trunc(seed)) % 2_147_483_646);
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

/** Where and how bytes are changed. */
export interface Mutation {
  /** Length of the header in bytes; three of four changes are there. Default: anywhere. */
  readonly head?: number;
  /** Words that are written over bytes, for changes that a parser survives. Default: none. */
  readonly words?: readonly string[];
}

/** Bytes that break parsers of lengths and of JSON. */
const SPECIAL = [0x00, 0xff, 0x7f, 0x2d, 0x22, 0x5b, 0x7b, 0x7d, 0x39, 0x2e, 0x65];

/** `bytes` with one to four changes. */
export function mutate(
  bytes: Buffer,
  draw: RandomNumber,
  { head, words = [] }: Mutation = {},
): Buffer {
  const below = (limit: number): number => Math.floor(limit * draw());
  let changed: Buffer = Buffer.from(bytes);
  for (let times = 1 + below(4); times > 0 && changed.length > 0; times -= 1) {
    const isHead = head !== undefined && below(4) > 0;
    const at = below(isHead ? Math.min(head, changed.length) : changed.length);
    changed = mutateAt(changed, at, { below, words });
  }
  return changed;
}

function mutateAt(
  bytes: Buffer,
  at: number,
  {
    below,
    words,
  }: { readonly below: (limit: number) => number; readonly words: readonly string[] },
): Buffer {
  switch (below(words.length > 0 ? 6 : 5)) {
    case 0:
      bytes[at] = SPECIAL[below(SPECIAL.length)]!;
      return bytes;
    case 1:
      bytes[at]! ^= 1 << below(8);
      return bytes;
    case 2:
      return bytes.subarray(0, at);
    case 3: {
      const again = bytes.subarray(at, at + 1 + below(40));
      return Buffer.concat([bytes.subarray(0, at), again, bytes.subarray(at)]);
    }
    case 4:
      return Buffer.concat([bytes, Buffer.alloc(below(64), below(256))]);
    default:
      bytes.write(words[below(words.length)]!, at, "utf8");
      return bytes;
  }
}

/** Values that are seldom where a file has another. */
const ODD_VALUES: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    0,
    -1,
    1,
    0.5,
    1e99,
    -1e-99,
    2 ** 31,
    2 ** 53,
    1e400,
    "",
    "0",
    " ",
    "\u0000",
  ],
  ...[
    "\ud800",
    "../../x",
    "__proto__",
    "NaN",
    [],
    {},
    [[]],
    [null],
    { type: "x" },
    "x".repeat(5000),
  ],
];

/** JSON text of `value` with one to four changes of its structure; one in eight has bytes changed too. */
export function mutateJson(
  value: unknown,
  draw: RandomNumber,
  words: readonly string[] = [],
): string {
  const below = (limit: number): number => Math.floor(limit * draw());
  let changed = structuredClone(value);
  for (let times = 1 + below(4); times > 0; times -= 1) {
    changed = changeNode(changed, { below, odd: [...ODD_VALUES, ...words] });
  }
  const text = JSON.stringify(changed);
  return below(8) > 0 ? text : mutate(Buffer.from(text), draw, { words }).toString("utf8");
}

interface Choices {
  readonly below: (limit: number) => number;
  readonly odd: readonly unknown[];
}

/** `value` with a change in one of its nodes, at any depth with the same chance. */
function changeNode(value: unknown, choices: Choices): unknown {
  const { below, odd } = choices;
  const isNode = typeof value === "object" && value !== null;
  if (!isNode || below(6) === 0) return structuredClone(odd[below(odd.length)]);
  const keys = Object.keys(value);
  const key = keys[below(keys.length)];
  const node = value as Record<string, unknown>;
  if (key === undefined) return structuredClone(odd[below(odd.length)]);
  const other = keys[below(keys.length)]!;
  switch (below(Array.isArray(value) ? 4 : 6)) {
    case 0: // all the way down
    case 1:
      node[key] = changeNode(node[key], choices);
      break;
    case 2:
      [node[key], node[other]] = [node[other], node[key]];
      break;
    case 3:
      if (Array.isArray(value))
        value.splice(below(keys.length), below(3), structuredClone(node[other]));
      else Reflect.deleteProperty(node, key);
      break;
    case 4:
      node[`${key}${other}`] = structuredClone(node[key]);
      break;
    default:
      node[String(odd[below(odd.length)])] = structuredClone(odd[below(odd.length)]);
  }
  return value;
}
