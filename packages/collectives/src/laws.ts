// The laws of engines, as a function that all ranks of a world call: collectives of each storage, reduction and size
// against plain arithmetic; sends in any order; subgroups; no leaked tensors.

import { memory, tensor, type Tensor } from "@tensorflow/tfjs-core";
import { call, convert } from "@tessera/kernels";
import { dtypeOf } from "@tessera/kernels/memory";
import type { ProcessGroup, ReduceOp, SentStorage } from "./group.js";
import { storageOf } from "./staging.js";
import type { World } from "./world.js";

/** The cases that `checkLaws` covers. */
export interface LawOptions {
  readonly storages: readonly SentStorage[];
  /** Elements per tensor; for reduce-scatter, per rank. */
  readonly sizes: readonly number[];
  /** Elements of one all-reduce that is large enough to be sent in many segments. */
  readonly long: number;
}

/** The result of `checkLaws`. */
export interface Verdict {
  /** Number of results compared. */
  readonly checked: number;
  /** A hash of the bits of all reductions: equal on all ranks and in every run. */
  readonly digest: string;
}

/** All storages, and sizes around the engines' limits. */
export const ALL_CASES: LawOptions = {
  storages: ["fp32", "bf16", "fp16", "int32", "bool"],
  sizes: [0, 1, 7, 130, 65_537],
  long: 1_500_001,
};

/**
 * Checks all laws. A collective call: all ranks call it.
 * @throws Error that names the first law that this rank sees violated.
 */
export function checkLaws(world: World, options: LawOptions = ALL_CASES): Verdict {
  const before = memory().numTensors;
  const tally = new Tally();
  const ranks = world.all.ranks;
  const reversed = world.group("reversed", [...ranks].reverse());
  const parity = world.group(
    "parity",
    ranks.filter((rank) => rank % 2 === world.rank % 2),
  );
  for (const group of [world.all, reversed, parity]) {
    for (const storage of options.storages) {
      for (const size of options.sizes) checkGroup(tally, { group, storage, size });
    }
    if (group.size > 1) {
      checkMessages(tally, group, "sends");
      checkMessages(tally, group, "receives");
    }
    group.barrier();
  }
  checkLong(tally, world.all, options.long);
  tally.equal("leaked tensors", [memory().numTensors - before], [0]);
  return { checked: tally.checked, digest: tally.digest.toString(16) };
}

interface Case {
  readonly group: ProcessGroup;
  readonly storage: SentStorage;
  readonly size: number;
}

class Tally {
  checked = 0;
  digest = 2166136261;

  equal(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>): void {
    if (actual.length !== expected.length) {
      throw new Error(`${what}: ${actual.length} elements, must be ${expected.length}`);
    }
    for (let i = 0; i < expected.length; i += 1) {
      if (Object.is(actual[i]! + 0, expected[i]! + 0)) continue;
      throw new Error(`${what}: element ${i} is ${actual[i]!}, must be ${expected[i]!}`);
    }
    this.checked += 1;
  }

  add(values: ArrayLike<number>): void {
    const bits = new Uint8Array(Float32Array.from(values).buffer);
    for (const byte of bits) this.digest = Math.imul(this.digest ^ byte, 16777619) >>> 0;
  }
}

/** Mantissa bits of the values that are compared: at most those of the storage. */
const MANTISSA_BITS: Readonly<Record<SentStorage, number>> = {
  fp32: 13,
  bf16: 7,
  fp16: 10,
  int32: 0,
  bool: 0,
};

/** Values of `rank` from index `start` on, of several magnitudes, which `storage` represents exactly. */
function createValues(storage: SentStorage, size: number, rank: number, start = 0): Float32Array {
  return new Float32Array(size).map((_, i) => {
    const noise = Math.imul(start + i + 1, 2654435761) ^ Math.imul(rank + 3, 40503);
    const mixed = Math.imul(noise ^ (noise >>> 15), 2246822519) >>> 8;
    if (storage === "bool") return mixed & 1;
    if (storage === "int32") return (mixed % 2001) - 1000;
    const digits = 2 ** MANTISSA_BITS[storage];
    const mantissa = 1 + (mixed % digits) / digits;
    return ((mixed >> 4) & 1 ? -1 : 1) * mantissa * 2 ** ((mixed >> 16) % 6);
  });
}

function createTensor(
  storage: SentStorage,
  values: Float32Array,
  shape: readonly number[],
): Tensor {
  const dtype = dtypeOf(storage);
  const x = tensor(dtype === "bool" ? Uint8Array.from(values) : values, [...shape], dtype);
  if (storage !== "bf16" && storage !== "fp16") return x;
  const { y } = call(convert, { x }, { storage });
  x.dispose();
  return y;
}

/** The reduction in rank order, each step in fp32, rounded to `storage`. */
function reduceExactly(
  all: readonly Float32Array[],
  op: ReduceOp,
  storage: SentStorage,
): Float32Array {
  const [first, ...others] = all;
  const result = first!.slice();
  const combine = (a: number, b: number) =>
    op === "max" ? Math.max(a, b) : op === "min" ? Math.min(a, b) : Math.fround(a + b);
  for (const other of others) other.forEach((value, i) => (result[i] = combine(result[i]!, value)));
  if (op === "mean") result.forEach((value, i) => (result[i] = Math.fround(value / all.length)));
  const rounded = createTensor(storage, result, [result.length]);
  const values = Float32Array.from(rounded.dataSync());
  rounded.dispose();
  return values;
}

const opsOf = (storage: SentStorage): readonly ReduceOp[] =>
  storage === "bool"
    ? ["max", "min"]
    : storage === "int32"
      ? ["sum", "max", "min"]
      : ["sum", "mean", "max", "min"];

/** The values of x; checks that its storage is `storage` where the backend reports it. Consumes x. */
function read(x: Tensor, storage: SentStorage): Float32Array {
  const found = storageOf(x);
  if (found !== storage && found !== "fp32") throw new Error(`a result is in ${found}`);
  const values = Float32Array.from(x.dataSync());
  x.dispose();
  return values;
}

function checkGroup(tally: Tally, { group, storage, size }: Case): void {
  const count = group.size;
  const seed = (index: number) => group.ranks[index]!;
  const describe = (call: string) =>
    `${call} of ${size} ${storage} among ${group.ranks.join(", ")}`;
  const all = group.ranks.map((_, index) => createValues(storage, size, seed(index)));
  const x = createTensor(storage, all[group.rank]!, [size]);
  // All in flight at once, waited for in another order than they were started.
  const reductions = opsOf(storage).map((op) => [op, group.allReduce(x, op)] as const);
  const gathered = group.allGather(x, 0);
  const sent = group.ranks.map((_, root) => group.broadcast(x, root));
  x.dispose();
  sent.forEach((work, root) => {
    tally.equal(describe(`broadcast from ${root}`), read(work.wait(), storage), all[root]!);
  });
  const expected = new Float32Array(size * count);
  all.forEach((values, index) => expected.set(values, index * size));
  tally.equal(describe("allGather"), read(gathered.wait(), storage), expected);
  for (const [op, work] of reductions.reverse()) {
    const values = read(work.wait(), storage);
    tally.equal(describe(`allReduce ${op}`), values, reduceExactly(all, op, storage));
    tally.add(values);
  }
  if (size <= 130) checkAxes(tally, { group, storage, size });
  checkScatter(tally, { group, storage, size });
}

function checkScatter(tally: Tally, { group, storage, size }: Case): void {
  const full = createValues(storage, size * group.size, group.ranks[group.rank]!);
  const y = createTensor(storage, full, [size * group.size]);
  // This rank's shard of the values of each rank.
  const shards = group.ranks.map((rank) => createValues(storage, size, rank, group.rank * size));
  for (const op of opsOf(storage)) {
    const actual = read(group.reduceScatter(y, 0, op).wait(), storage);
    tally.equal(
      `reduceScatter ${op} of ${size} ${storage}`,
      actual,
      reduceExactly(shards, op, storage),
    );
  }
  if (storage === "fp32") {
    const start = createValues(storage, size, group.rank + 100);
    const sum = createTensor(storage, start, [size]);
    const actual = read(group.reduceScatterOnto(sum, y).wait(), storage);
    const expected = reduceExactly([start, ...shards], "sum", storage);
    tally.equal(`reduceScatterOnto of ${size} ${storage}`, actual, expected);
  }
  y.dispose();
}

/** Along the middle of three dimensions: [2, size, 3] and back. */
function checkAxes(tally: Tally, { group, storage, size }: Case): void {
  const x = createTensor(storage, createValues(storage, 6 * size, group.rank), [2, size, 3]);
  const gathered = group.allGather(x, 1).wait(); // [2, size * count, 3]
  tally.equal("shape of allGather along 1", gathered.shape, [2, size * group.size, 3]);
  const back = group.reduceScatter(gathered, 1, "max").wait();
  gathered.dispose();
  tally.equal("allGather and reduceScatter along 1", read(back, storage), x.dataSync());
  x.dispose();
}

/** An all-reduce so large that some segments are in flight while others are added. */
function checkLong(tally: Tally, group: ProcessGroup, size: number): void {
  const all = group.ranks.map((rank) => createValues("fp32", size, rank));
  const x = createTensor("fp32", all[group.rank]!, [size]);
  const work = group.allReduce(x);
  x.dispose();
  tally.equal(`allReduce of ${size}`, read(work.wait(), "fp32"), reduceExactly(all, "sum", "fp32"));
  const hostWork = group.allReduceValues(all[group.rank]!, "max");
  tally.equal(`allReduceValues of ${size}`, hostWork.wait(), reduceExactly(all, "max", "fp32"));
}

/** Messages to all other ranks at once, on two tags; `first` is posted before the other. */
function checkMessages(tally: Tally, group: ProcessGroup, first: "sends" | "receives"): void {
  const size = 20_000; // above MPI's eager limit
  const others = group.ranks.map((_, index) => index).filter((index) => index !== group.rank);
  const send = () =>
    others.flatMap((to) =>
      [0, 1, 2].map((tag) => {
        const x = createTensor("fp32", createValues("fp32", size, 10 * group.rank + tag), [size]);
        const work = group.send(x, to, tag % 2);
        x.dispose();
        return work;
      }),
    );
  const receive = () =>
    others.map((from) => [
      group.receive([size], from, { tag: 1 }),
      group.receive([size], from),
      group.receive([size], from),
    ]);
  const earlySends = first === "sends" ? send() : null;
  const earlyReceives = first === "receives" ? receive() : null;
  group.barrier();
  const received = earlyReceives ?? receive();
  const sends = earlySends ?? send();
  received.forEach((works, i) => {
    // In the reverse of the order in which they were posted.
    [2, 1, 0].forEach((k) => {
      const tag = [1, 0, 2][k]!;
      const expected = createValues("fp32", size, 10 * others[i]! + tag);
      tally.equal(`message ${tag}`, read(works[k]!.wait(), "fp32"), expected);
    });
  });
  for (const work of sends) work.wait();
}
