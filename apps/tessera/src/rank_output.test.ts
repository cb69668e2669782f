// What is shown of a job's output, and what is found out from it, by lines as Open MPI and MPICH print them.

import { once } from "node:events";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, test } from "@jest/globals";
import { forwardOutput } from "./rank_output.js";

const RULE = "-".repeat(74);
const BANNER = [RULE, "Primary job  terminated normally, but 1 process returned", "a code.", RULE];

async function forward(lines: readonly string[]) {
  const from = { stdout: new PassThrough(), stderr: new PassThrough() };
  const to = { stdout: new PassThrough(), stderr: new PassThrough() };
  const output = forwardOutput(from, to);
  const ended = Promise.all([once(from.stdout, "end"), once(from.stderr, "end")]);
  from.stdout.end();
  from.stderr.end(lines.map((line) => `${line}\n`).join(""));
  await ended;
  await new Promise(setImmediate);
  const cause = output.finish();
  to.stderr.end();
  return { cause, shown: (await text(to.stderr)).split("\n").slice(0, -1) };
}

const of = (rank: number, words: string) => `[1,${rank}]<stderr>:${words}`;

test("a rank's own sentence is the cause, and mpirun's are left out", async () => {
  const said = "tessera-gpt-ddp: Open MPI started 2 ranks, but the MPI engine is not built here";
  const { cause, shown } = await forward([of(0, said), of(1, said), ...BANNER]);
  expect(cause).toBe(`rank 1: ${said}`);
  expect(shown).toEqual([`[0] ${said}`, `[1] ${said}`]);
});

test("of an error with a stack, its message is the cause", async () => {
  const stack = ["", "Error: boom", "    at main (app.js:1:7)", "", "Node.js v20.20.2"];
  const { cause } = await forward([...stack.map((line) => of(0, line)), ...BANNER]);
  expect(cause).toBe("rank 0: Error: boom");
});

test("what the rank itself is named with goes before all else", async () => {
  const named = "rank 1 (host n0): out of patience";
  const { cause } = await forward([of(1, named), of(0, "and something later"), ...BANNER]);
  expect(cause).toBe(named);
});

test("where no rank says anything, mpirun has the word", async () => {
  const { cause, shown } = await forward(BANNER);
  expect(cause).toBeNull();
  expect(shown).toEqual(BANNER);
});
