// Runs `tessera check-ranks` under mpirun.

import { join } from "node:path";
import { launchRanks } from "@tessera/testing";

export const TESSERA = join(__dirname, "../../dist/main.js");

/** The lines that ranks on the native backend print, `rounds` of each. Sums have up to 7 x 30001 elements. */
export function checkRanks(ranks: number, rounds: number): string[] {
  const check = ["check-ranks", "--elements", "30001", "--repeat", String(rounds)];
  const { status, stdout, stderr } = launchRanks(ranks, [TESSERA, ...check]);
  if (status !== 0) throw new Error(stderr);
  return stdout.trim().split("\n").sort();
}

/** The digests of all rounds, of the ranks of each parity, which are a group. */
export const digestsOf = (lines: readonly string[]): Set<string>[] =>
  [0, 1].map((parity) => {
    const rank = (line: string): number => Number(/^\[(\d+)\]/.exec(line)![1]);
    const own = lines.filter((line) => rank(line) % 2 === parity);
    return new Set(own.map((line) => line.split(" ").at(-1)!));
  });
