// oneDNN's products keep a pointer into the heap where a signal's handler writes: signals wait for them.

import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { runNode } from "@tessera/testing";

test("signals change no product, and break no memory", () => {
  const { status, stdout, stderr } = runNode([
    join(__dirname, "../dist/programs/multiply_under_signals.js"),
  ]);
  expect([status, stdout, stderr]).toEqual([0, "0 wrong\n", ""]);
});
