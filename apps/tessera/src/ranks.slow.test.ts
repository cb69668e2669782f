// Ranks under mpirun: in two starts to the bit, many of them, and with more bytes than 31 bits count.

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { isAvailable } from "@tessera/collectives-mpi";
import { isAvailable as isNativeBuilt } from "@tessera/kernels-native";
import { launchRanks } from "@tessera/testing";
import { checkRanks, digestsOf } from "./programs/agree.js";

const PROGRAMS = join(__dirname, "../../../packages/collectives-mpi/dist/programs");

const testRanks = isAvailable() && isNativeBuilt() ? test : test.skip;

testRanks.each([1, 4])(
  "%s ranks agree with plain arithmetic, and in two starts to the bit",
  (ranks) => {
    const first = checkRanks(ranks, 1);
    expect(first).toHaveLength(ranks);
    expect(digestsOf(first).map(({ size }) => size)).toEqual(ranks === 1 ? [1, 0] : [1, 1]);
    expect(checkRanks(ranks, 1)).toEqual(first);
  },
);

testRanks("8 ranks agree with plain arithmetic", () => {
  const lines = checkRanks(8, 1);
  expect(lines).toHaveLength(8);
  expect(digestsOf(lines).map(({ size }) => size)).toEqual([1, 1]);
});

testRanks("where ranks outnumber processors, those that wait leave them to the others", () => {
  const ranks = availableParallelism() + 1;
  const run = launchRanks(ranks, [join(PROGRAMS, "waiting.js")]);
  expect(run).toMatchObject({ status: 0, stderr: "" });
  const shares = run.stdout
    .trim()
    .split("\n")
    .map((line) => Number(line.replace(/^.* /, "")));
  expect(shares).toHaveLength(ranks - 1);
  expect(Math.max(...shares)).toBeLessThan(0.1);
});

const NEEDED = 9 * 2 ** 30;
const [, free] = /MemAvailable: +(\d+) kB/.exec(readFileSync("/proc/meminfo", "utf8"))!;
const isRoom = Number(free) * 1024 > NEEDED;

(isAvailable() && isRoom ? test : test.skip)(
  `ranks exchange more bytes than 31 bits count, for which ${NEEDED} bytes of memory are free`,
  () => {
    const run = launchRanks(2, [join(PROGRAMS, "huge.js")]);
    expect(run).toMatchObject({ status: 0, stderr: "" });
    expect(run.stdout).toMatch(/rank 1 has 2147483656 elements/);
  },
);
