// A ProcessGroup over an engine: stages tensors, handles axes, counts traffic, and keeps tensors of calls in flight
// alive.

import { reshape, tidy, transpose, type Tensor } from "@tensorflow/tfjs-core";
import { bytesOf, type Call, type Elements, type Engine, type Pending } from "./engine.js";
import { MAX_TAG, createTraffic, type ProcessGroup, type ReceiveOptions } from "./group.js";
import type { ReduceOp, SentStorage, Work } from "./group.js";
import { stageInPlace, stageInput, stageOutput, storageOf, type StagedInput } from "./staging.js";

/** A group's name, its ranks in the world, and this rank's index in them. */
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
  readonly traffic = createTraffic();
  /** Sends in flight, whose tensors are kept until they are sent. */
  private outgoing: { readonly pending: Pending; readonly input: StagedInput }[] = [];

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
    checkMean(x, op);
    const from = stageInput(x, this.engine.native);
    const to = stageOutput(x.shape, storageOf(x), this.engine.native);
    const call = { kind: "allReduce", from: from.elements, to: to.elements, op } as const;
    return this.work(call, from, () => to.take());
  }

  allReduceValues(values: Float32Array, op: ReduceOp = "sum"): Work<Float32Array> {
    const result = new Float32Array(values.length);
    const elements = (memory: Float32Array): Elements => ({
      storage: "fp32",
      size: memory.length,
      memory,
    });
    const call = { kind: "allReduce", from: elements(values), to: elements(result), op } as const;
    return this.workOf(this.start(call), () => result);
  }

  reduceScatter(x: Tensor, axis: number, op: ReduceOp = "sum"): Work {
    checkMean(x, op);
    const extent = extentOf("reduceScatter", x, axis);
    if (extent % this.size !== 0) {
      throw new RangeError(
        `reduceScatter: dimension ${axis} is ${extent}, which ${this.size} ranks do not divide`,
      );
    }
    const shape = x.shape.with(axis, extent / this.size);
    const shards = splitAxis(x, axis, this.size);
    const from = stageInput(shards, this.engine.native);
    shards.dispose();
    const to = stageOutput(shape, storageOf(x), this.engine.native);
    const call = { kind: "reduceScatter", from: from.elements, to: to.elements, op } as const;
    return this.work(call, from, () => to.take());
  }

  reduceScatterOnto(sum: Tensor, x: Tensor): Work {
    if (sum.rank !== 1 || x.rank !== 1 || x.size !== sum.size * this.size) {
      throw new RangeError(
        `reduceScatterOnto: x [${x.shape.join(", ")}] must be a vector of ${this.size} times the elements of ` +
          `sum [${sum.shape.join(", ")}]`,
      );
    }
    for (const storage of [sum, x].map(storageOf)) {
      if (storage !== "fp32") throw new TypeError(`reduceScatterOnto: ${storage} must be fp32`);
    }
    const from = stageInput(x, this.engine.native);
    const to = stageInPlace(sum, this.engine.native);
    const call = {
      kind: "reduceScatter",
      from: from.elements,
      to: to.elements,
      op: "onto",
    } as const;
    return this.work(call, from, () => to.take());
  }

  allGather(x: Tensor, axis: number): Work {
    const extent = extentOf("allGather", x, axis);
    const from = stageInput(x, this.engine.native);
    const to = stageOutput([this.size, ...x.shape], storageOf(x), this.engine.native);
    const call = { kind: "allGather", from: from.elements, to: to.elements } as const;
    return this.work(call, from, () => {
      const shards = to.take(); // [size, ...shape]
      const shape = x.shape.with(axis, extent * this.size);
      const full = tidy(() => reshape(moveDim(shards, 0, axis), shape));
      shards.dispose();
      return full;
    });
  }

  broadcast(x: Tensor, root: number): Work {
    this.checkMember("broadcast", root);
    const from = stageInput(x, this.engine.native);
    const to = stageOutput(x.shape, storageOf(x), this.engine.native);
    const call = { kind: "broadcast", from: from.elements, to: to.elements, root } as const;
    return this.work(call, from, () => to.take());
  }

  send(x: Tensor, to: number, tag = 0): Work<void> {
    this.checkMember("send", to);
    checkTag("send", tag);
    const input = stageInput(x, this.engine.native);
    const pending = this.start({ kind: "send", from: input.elements, peer: to, tag });
    const entry = { pending, input };
    this.outgoing.push(entry);
    return this.workOf(pending, () => {
      if (this.outgoing.includes(entry)) input.release();
      this.outgoing = this.outgoing.filter((other) => other !== entry);
    });
  }

  receive(shape: readonly number[], from: number, options: ReceiveOptions = {}): Work {
    const { storage = "fp32", tag = 0 }: { storage?: SentStorage; tag?: number } = options;
    this.checkMember("receive", from);
    checkTag("receive", tag);
    const to = stageOutput(shape, storage, this.engine.native);
    const pending = this.start({ kind: "receive", to: to.elements, peer: from, tag });
    return this.workOf(pending, () => to.take());
  }

  barrier(seconds?: number): void {
    const call: Call = { kind: "barrier", ...(seconds !== undefined && { seconds }) };
    this.workOf(this.start(call), () => undefined).wait();
  }

  private work(call: Call, input: StagedInput, take: () => Tensor): Work {
    return this.workOf(this.start(call), () => {
      input.release();
      return take();
    });
  }

  private start(call: Call): Pending {
    this.outgoing = this.outgoing.filter(({ pending, input }) => {
      const { done } = pending; // read once: it may change at any moment
      if (done) input.release();
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
        const start = performance.now();
        pending.wait();
        traffic.waitedSeconds += (performance.now() - start) / 1000;
        traffic.busySeconds += pending.seconds;
        return finish();
      },
    };
  }

  private checkMember(call: string, rank: number): void {
    if (Number.isInteger(rank) && rank >= 0 && rank < this.size) return;
    throw new RangeError(
      `${call}: rank ${rank} is not in ${this.name}, which has ${this.size} ranks`,
    );
  }
}

/** Checked on every engine, so that what works on threads works on MPI. */
function checkTag(call: string, tag: number): void {
  if (Number.isInteger(tag) && tag >= 0 && tag <= MAX_TAG) return;
  throw new RangeError(`${call}: tag ${tag} must be a whole number up to ${MAX_TAG}`);
}

/** The group of `members` that communicates by `engine`. */
export const tensorGroup = (members: Members, engine: Engine): ProcessGroup =>
  new TensorGroup(members, engine);

function checkMean({ dtype }: Tensor, op: ReduceOp): void {
  if (op === "mean" && dtype !== "float32") {
    throw new TypeError(`the mean of ${dtype} values is not of that dtype: use sum`);
  }
}

function extentOf(call: string, { shape }: Tensor, axis: number): number {
  const extent = shape[axis];
  if (extent !== undefined) return extent;
  throw new RangeError(
    `${call}: axis ${axis} is not among the dimensions of [${shape.join(", ")}]`,
  );
}

/** x [..., extent, ...] -> [count, ..., extent / count, ...]: the shard of each rank is contiguous. */
function splitAxis(x: Tensor, axis: number, count: number): Tensor {
  const { shape } = x;
  const shards = [...shape.slice(0, axis), count, shape[axis]! / count, ...shape.slice(axis + 1)];
  return tidy(() => moveDim(reshape(x, shards), axis, 0));
}

/** x with dimension `from` moved to `to`, as torch.movedim; not copied where they are equal. */
function moveDim(x: Tensor, from: number, to: number): Tensor {
  if (from === to) return x;
  const order = x.shape.map((_, dim) => dim);
  order.splice(to, 0, ...order.splice(from, 1));
  return transpose(x, order);
}
