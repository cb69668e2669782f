// JSON lines on stdin, JSON lines on stdout: common to encode and decode.

import { isUtf8 } from "node:buffer";
import { UserError } from "@tessera/config";
import { parseJson } from "@tessera/files";

/** Writes `answer` of each line of stdin as a line of stdout. Throws a UserError for a bad line. */
export async function answerLines<T>(
  read: (value: unknown) => T | undefined,
  needed: string,
  answer: (value: T) => unknown,
): Promise<void> {
  let number = 0;
  for await (const line of readLines(process.stdin)) {
    number += 1;
    if (line.trim() === "") continue;
    const name = `line ${number} of the input`;
    const value = read(parseJson(line, name));
    if (value === undefined) throw new UserError(`${name}: must be ${needed}`);
    if (!process.stdout.write(`${JSON.stringify(answer(value))}\n`)) {
      await new Promise((resolve) => process.stdout.once("drain", resolve));
    }
  }
}

/**
 * The lines of a stream, which end with a line feed alone: JSON has U+2028 within a line, where Node's own reader
 * ends one.
 */
async function* readLines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  for await (const block of stream) {
    let at = 0;
    for (let end = block.indexOf(0x0a); end >= 0; end = block.indexOf(0x0a, at)) {
      yield decodeText(Buffer.concat([...parts, block.subarray(at, end)]));
      parts = [];
      at = end + 1;
    }
    parts.push(block.subarray(at));
  }
  yield decodeText(Buffer.concat(parts));
}

/** Throws a UserError for what is not UTF-8. */
function decodeText(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new UserError("the input is not UTF-8, convert it (iconv -t UTF-8)");
  const text = bytes.toString("utf8");
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}

/** The value of `key` in an object. */
export const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;

/** All of stdin, without a byte order mark. Throws a UserError where it is not UTF-8. */
export async function readStdin(): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of process.stdin) parts.push(part as Uint8Array);
  return decodeText(Buffer.concat(parts));
}
