// JSON as DeepSpeed reads its configuration: with comments, and commas behind the last entry. A key that is there twice
// is refused, as DeepSpeed refuses it: JSON.parse would take the last one without a word.

import { UserError } from "./errors.js";

/** Deeper than any configuration; a file that goes on is refused before the stack is full. */
const MAX_DEPTH = 64;

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[A-Za-z0-9_.$-]+/y;
const STRING = /"(?:[^"\\\n]|\\.)*"/y;
const BLANK = /(?:\s+|#[^\n]*|\/\/[^\n]*|\/\*[^]*?\*\/)+/y;
const WORDS = new Map<string, unknown>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

/**
 * The value that `text` says.
 * @throws UserError with the line, where it is none.
 */
export function parseRelaxedJson(text: string): unknown {
  const reader = createReader(text);
  const value = readValue(reader, 0);
  if (!reader.isDone()) throw reader.fail("something follows its end");
  return value;
}

interface Reader {
  /** What `pattern` finds here, behind blanks and comments; undefined where it is something else. */
  take(pattern: RegExp): string | undefined;
  /** Whether `letter` is here. It is then behind. */
  skip(letter: string): boolean;
  isDone(): boolean;
  fail(why: string): UserError;
}

function createReader(text: string): Reader {
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const [found] = pattern.exec(text) ?? [];
    if (found !== undefined) at += found.length;
    return found;
  };
  const skipBlanks = (): void => void match(BLANK);
  return {
    take(pattern) {
      skipBlanks();
      return match(pattern);
    },
    skip(letter) {
      skipBlanks();
      if (text[at] !== letter) return false;
      at += 1;
      return true;
    },
    isDone() {
      skipBlanks();
      return at === text.length;
    },
    fail: (why) => new UserError(`line ${text.slice(0, at).split("\n").length}: ${why}`),
  };
}

function readValue(reader: Reader, depth: number): unknown {
  if (depth > MAX_DEPTH) throw reader.fail(`is more than ${MAX_DEPTH} levels deep`);
  if (reader.skip("{")) return readObject(reader, depth);
  if (reader.skip("[")) return readList(reader, depth);
  const quoted = readString(reader);
  if (quoted !== undefined) return quoted;
  const number = reader.take(NUMBER);
  if (number !== undefined) return Number(number);
  const word = reader.take(WORD);
  if (word !== undefined && WORDS.has(word)) return WORDS.get(word);
  throw reader.fail(
    word === undefined ? "is no JSON" : `${word} is no value; write "${word}" if it is text`,
  );
}

function readString(reader: Reader): string | undefined {
  const quoted = reader.take(STRING);
  if (quoted === undefined) return undefined;
  try {
    return JSON.parse(quoted) as string;
  } catch {
    throw reader.fail(`${quoted} is no text of JSON`);
  }
}

function readObject(reader: Reader, depth: number): object {
  const entries = new Map<string, unknown>();
  readEntries(reader, "}", () => {
    const key = readString(reader) ?? reader.take(WORD);
    if (key === undefined || !reader.skip(":")) throw reader.fail('"key": value is missing');
    if (entries.has(key)) throw reader.fail(`"${key}" is there twice; keep one of them`);
    entries.set(key, readValue(reader, depth + 1));
  });
  return Object.fromEntries(entries);
}

function readList(reader: Reader, depth: number): unknown[] {
  const items: unknown[] = [];
  readEntries(reader, "]", () => void items.push(readValue(reader, depth + 1)));
  return items;
}

/** What is between commas, up to `end`; a comma may stand behind the last. */
function readEntries(reader: Reader, end: string, readEntry: () => void): void {
  while (!reader.skip(end)) {
    readEntry();
    if (reader.skip(",")) continue;
    if (reader.skip(end)) return;
    throw reader.fail(`a comma or ${end} is missing`);
  }
}
