// A series of mutated inputs to everything that reads what others have made. Each is read to its end, or refused in a
// sentence, soon.

import { UserError } from "@tessera/config";
import { seededRandom, type RandomNumber } from "@tessera/testing";

/** What reads a kind of input. */
export interface Target {
  readonly name: string;
  /** How many inputs it gets for one of the slowest. */
  readonly share: number;
  /** Makes an input and reads it. Throws a UserError where that is refused, another error for a fault. */
  readonly read: (draw: RandomNumber) => void | Promise<void>;
}

/** How many inputs of a target were read, and how many refused. */
export interface Ends {
  read: number;
  refused: number;
}

/** No input needs as long, also on a machine that does much else; patterns have a limit of their own. */
const LIMIT_MS = 60_000;

/** Reads one input, which its seed gives. Returns how it ended. */
export async function readInput(target: Target, seed: number): Promise<keyof Ends> {
  const began = performance.now();
  const end = await readOrRefuse(target, seed);
  const took = performance.now() - began;
  if (took > LIMIT_MS) throw new Error(`${target.name}, input ${seed}: took ${took} ms`);
  return end;
}

async function readOrRefuse({ name, read }: Target, seed: number): Promise<keyof Ends> {
  try {
    await read(seededRandom(seed));
    return "read";
  } catch (error) {
    if (error instanceof UserError && !error.message.includes("\n")) return "refused";
    throw new Error(`${name}, input ${seed}`, { cause: error });
  }
}

/** Reads `count` inputs. Throws at the first that is neither read nor refused; its message has the target and seed. */
export async function runSeries(
  targets: readonly Target[],
  count: number,
  seed: number,
): Promise<ReadonlyMap<string, Ends>> {
  const turns = targets.flatMap((target) => Array.from({ length: target.share }, () => target));
  const ends = new Map(targets.map(({ name }) => [name, { read: 0, refused: 0 }]));
  for (let n = 0; n < count; n += 1) {
    const target = turns[n % turns.length]!;
    ends.get(target.name)![await readInput(target, seedOf(seed, n))] += 1;
  }
  return ends;
}

/** Seeds that follow each other would give numbers that do so too. */
const seedOf = (seed: number, n: number): number =>
  Number(((BigInt(seed) * 1_000_003n + BigInt(n)) * 1_103_515_245n) % 2_147_483_629n);
