// JSON lines on stdin, JSON lines on stdout: common to encode and decode.

import { createInterface } from "node:readline";
import { UserError } from "@tessera/config";

/** Writes `answer` of each line of stdin as a line of stdout. Throws a UserError for a bad line. */
export async function answerLines<T>(
  read: (value: unknown) => T | undefined,
  needed: string,
  answer: (value: T) => unknown,
): Promise<void> {
  let number = 0;
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    number += 1;
    if (line.trim() === "") continue;
    const value = read(parse(line));
    if (value === undefined) {
      throw new UserError(`line ${number} of the input: must be ${needed}`);
    }
    if (!process.stdout.write(`${JSON.stringify(answer(value))}\n`)) {
      await new Promise((resolve) => process.stdout.once("drain", resolve));
    }
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** The value of `key` in an object. */
export const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;

export async function readStdin(): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
