// A rank of two that exchange more bytes than a 32-bit integer counts: a message, then a reduction.

import { resolveWorld } from "@tessera/launcher";
import { findAddon, loadAddon } from "../addon.js";
import { mpiEngine } from "../engine.js";

const SIZE = 2 ** 31 + 8;
/** Where counters of 30, 31 and 32 bits would end, and both ends. */
const PLACES = [0, 1, 2 ** 30 - 1, 2 ** 30, 2 ** 31 - 1, 2 ** 31, SIZE - 1];

const { rank } = resolveWorld(process.env);
const addon = loadAddon(findAddon()!);
addon.connect(`rank ${rank}`, 300, true);
const engine = mpiEngine(addon, addon.group("both", [0, 1]));

const from = new Uint8Array(SIZE);
const to = new Uint8Array(SIZE);
PLACES.forEach((place, i) => (from[place] = 1 + i + 10 * rank));
const elements = (memory: Uint8Array) => ({ storage: "bool", size: SIZE, memory }) as const;

function expect(what: string, giver: number): void {
  const wrong = PLACES.find((place, i) => to[place] !== 1 + i + 10 * giver);
  if (wrong !== undefined) throw new Error(`${what}: element ${wrong} is ${to[wrong]}`);
}

if (rank === 0) {
  engine.start({ kind: "send", from: elements(from), peer: 1, tag: 0 }).wait();
} else {
  engine.start({ kind: "receive", to: elements(to), peer: 0, tag: 0 }).wait();
  expect("receive", 0);
}
engine.start({ kind: "allReduce", from: elements(from), to: elements(to), op: "max" }).wait();
expect("allReduce", 1);
process.stdout.write(`rank ${rank} has ${SIZE} elements\n`);
addon.close();
