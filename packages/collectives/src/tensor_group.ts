// A ProcessGroup over an engine: tensors to memory and back, axes, counting, and keeping alive what
// is under way.

import { reshape, tidy, transpose, type Tensor } from "@tensorflow/tfjs-core";
import type { Storage } from "@tessera/kernels/memory";
import { bytesOf, type Call, type Elements, type Engine, type Pending } from "./engine.js";
import { MOST_TAG, newTraffic, type ProcessGroup, type ReceiveOptions } from "./group.js";
import type { ReduceOp, Work } from "./group.js";
import { blank, lend, storageOf, type Lent } from "./staging.js";

export interface Members {
  readonly name: string;
  readonly rank: number;
  readonly ranks: readonly number[];
}

const elementsOf = (call: Call): Elements | null =>
  "from" in call ? call.from : "to" in call ? call.to : null;

class TensorGroup implements ProcessGroup {
  readonly name: string;
  readonly rank: number;
  readonly ranks: readonly number[];
  readonly size: number;
  readonly traffic = newTraffic();
  /** Sends that nobody has waited for: their tensors are held until they have left. */
  private outgoing: { readonly pending: Pending; readonly lent: Lent }[] = [];

  constructor(
    { name, rank, ranks }: Members,
    private readonly engine: Engine,
  ) {
    this.name = name;
    this.rank = rank;
    this.ranks = ranks;
    this.size = ranks.length;
  }

  allReduce(x: Tensor, op: ReduceOp = "sum"): Work {
    refuseMean(x, op);
    const from = lend(x, this.engine.native);
    const to = blank(x.shape, storageOf(x), this.engine.native);
    const call = { kind: "allReduce", from: from.elements, to: to.elements, op } as const;
    return this.work(call, from, () => to.take());
  }

  allReduceValues(values: Float32Array, op: ReduceOp = "sum"): Work<Float32Array> {
    const result = new Float32Array(values.length);
    const of = (memory: Float32Array): Elements => ({
      storage: "fp32",
      size: memory.length,
      memory,
    });
    const call = { kind: "allReduce", from: of(values), to: of(result), op } as const;
    return this.workOf(this.start(call), () => result);
  }

  reduceScatter(x: Tensor, axis: number, op: ReduceOp = "sum"): Work {
    refuseMean(x, op);
    const extent = extentOf("reduceScatter", x, axis);
    if (extent % this.size !== 0) {
      throw new RangeError(
        `reduceScatter: dimension ${axis} is ${extent}, which ${this.size} ranks cannot share evenly`,
      );
    }
    const shape = x.shape.with(axis, extent / this.size);
    const parts = partsFirst(x, axis, this.size);
    const from = lend(parts, this.engine.native);
    parts.dispose();
    const to = blank(shape, storageOf(x), this.engine.native);
    const call = { kind: "reduceScatter", from: from.elements, to: to.elements, op } as const;
    return this.work(call, from, () => to.take());
  }

  allGather(x: Tensor, axis: number): Work {
    const extent = extentOf("allGather", x, axis);
    const from = lend(x, this.engine.native);
    const to = blank([this.size, ...x.shape], storageOf(x), this.engine.native);
    const call = { kind: "allGather", from: from.elements, to: to.elements } as const;
    return this.work(call, from, () => {
      const parts = to.take(); // [size, ...shape]
      const whole = x.shape.with(axis, extent * this.size);
      const joined = tidy(() => reshape(reordered(parts, moved(0, axis, parts.rank)), whole));
      parts.dispose();
      return joined;
    });
  }

  broadcast(x: Tensor, root: number): Work {
    this.checkMember("broadcast", root);
    const from = lend(x, this.engine.native);
    const to = blank(x.shape, storageOf(x), this.engine.native);
    const call = { kind: "broadcast", from: from.elements, to: to.elements, root } as const;
    return this.work(call, from, () => to.take());
  }

  send(x: Tensor, to: number, tag = 0): Work<void> {
    this.checkMember("send", to);
    checkTag("send", tag);
    const lent = lend(x, this.engine.native);
    const pending = this.start({ kind: "send", from: lent.elements, peer: to, tag });
    const entry = { pending, lent };
    this.outgoing.push(entry);
    return this.workOf(pending, () => {
      if (this.outgoing.includes(entry)) lent.release();
      this.outgoing = this.outgoing.filter((other) => other !== entry);
    });
  }

  receive(shape: readonly number[], from: number, options: ReceiveOptions = {}): Work {
    const { storage = "fp32", tag = 0 }: { storage?: Storage; tag?: number } = options;
    this.checkMember("receive", from);
    checkTag("receive", tag);
    const to = blank(shape, storage, this.engine.native);
    const pending = this.start({ kind: "receive", to: to.elements, peer: from, tag });
    return this.workOf(pending, () => to.take());
  }

  barrier(seconds?: number): void {
    const call: Call = { kind: "barrier", ...(seconds !== undefined && { seconds }) };
    this.workOf(this.start(call), () => undefined).wait();
  }

  private work(call: Call, lent: Lent, take: () => Tensor): Work {
    return this.workOf(this.start(call), () => {
      lent.release();
      return take();
    });
  }

  private start(call: Call): Pending {
    this.outgoing = this.outgoing.filter(({ pending, lent }) => {
      const { done } = pending; // asked once: it may change at any moment
      if (done) lent.release();
      return !done;
    });
    const elements = elementsOf(call);
    this.traffic.calls[call.kind] += 1;
    this.traffic.bytes[call.kind] += elements === null ? 0 : bytesOf(elements);
    return this.engine.start(call);
  }

  private workOf<T>(pending: Pending, finish: () => T): Work<T> {
    const { traffic } = this;
    return {
      get done() {
        return pending.done;
      },
      wait() {
        const began = performance.now();
        pending.wait();
        traffic.waitedSeconds += (performance.now() - began) / 1000;
        traffic.busySeconds += pending.seconds;
        return finish();
      },
    };
  }

  private checkMember(call: string, rank: number): void {
    if (Number.isInteger(rank) && rank >= 0 && rank < this.size) return;
    throw new RangeError(`${call}: rank ${rank} is not in ${this.name}, which has ${this.size}`);
  }
}

/** On every engine, so that what works on threads works on MPI. */
function checkTag(call: string, tag: number): void {
  if (Number.isInteger(tag) && tag >= 0 && tag <= MOST_TAG) return;
  throw new RangeError(`${call}: tag ${tag} must be a whole number up to ${MOST_TAG}`);
}

/** The group of `members` whose elements `engine` moves. */
export const tensorGroup = (members: Members, engine: Engine): ProcessGroup =>
  new TensorGroup(members, engine);

function refuseMean({ dtype }: Tensor, op: ReduceOp): void {
  if (op === "mean" && dtype !== "float32") {
    throw new TypeError(`the mean of ${dtype} values is not one of them: use sum`);
  }
}

function extentOf(call: string, { shape }: Tensor, axis: number): number {
  const extent = shape[axis];
  if (extent !== undefined) return extent;
  throw new RangeError(
    `${call}: axis ${axis} is not among the dimensions of [${shape.join(", ")}]`,
  );
}

/** x with the parts of `axis` that go to each rank one after another in memory. */
function partsFirst(x: Tensor, axis: number, count: number): Tensor {
  const { shape } = x;
  const cut = [...shape.slice(0, axis), count, shape[axis]! / count, ...shape.slice(axis + 1)];
  return tidy(() => reordered(reshape(x, cut), moved(axis, 0, cut.length)));
}

/** x with its dimensions in `order`; not copied where they are in it already. */
const reordered = (x: Tensor, order: readonly number[]): Tensor =>
  order.every((dim, i) => dim === i) ? x : transpose(x, [...order]);

/** The order of dimensions in which `from` stands at `to`. */
function moved(from: number, to: number, rank: number): number[] {
  const order = Array.from({ length: rank }, (_, dim) => dim);
  order.splice(to, 0, ...order.splice(from, 1));
  return order;
}
