// The engine of ranks that are threads of one process, for tests and laptops. Each pair of ranks has a message channel.
// A rank that waits blocks its thread, as on MPI, so that tests run the code that runs on a cluster.

import { receiveMessageOnPort, type MessagePort } from "node:worker_threads";
import { describeCall, type Call, type Elements, type Engine } from "./engine.js";
import type { Pending, Values } from "./engine.js";
import { reduceInto } from "./reduce.js";
import { singleGroup } from "./single.js";
import { tensorGroup } from "./tensor_group.js";
import type { World } from "./world.js";

/** What a thread needs to be a rank. */
export interface ThreadContext {
  readonly rank: number;
  readonly size: number;
  /** The channel to each rank; null to itself. */
  readonly ports: readonly (MessagePort | null)[];
  /** Number of messages posted to each rank (int32), on which it sleeps. */
  readonly arrivals: SharedArrayBuffer;
  readonly limitSeconds: number;
}

interface Message {
  /** Group, tag and number of the call. */
  readonly key: string;
  /** The sender's call, to be compared with the receiver's. */
  readonly call: string;
  readonly values: Values | null;
}

/** The next message in a port's queue, or null. Node does not type messages. */
function readMessage(port: MessagePort | null): Message | null {
  const received = port === null ? undefined : receiveMessageOnPort(port);
  return received === undefined ? null : (received as { readonly message: Message }).message;
}

/** Messages to and from other threads. */
class Mailbox {
  private readonly arrivals: Int32Array;
  /** Messages that have arrived, by sender. */
  private readonly received: Map<string, Message>[];

  constructor(readonly context: ThreadContext) {
    this.arrivals = new Int32Array(context.arrivals);
    this.received = context.ports.map(() => new Map<string, Message>());
  }

  post(to: number, message: Message): void {
    if (to === this.context.rank) this.received[to]!.set(message.key, message);
    else this.context.ports[to]!.postMessage(message);
    Atomics.add(this.arrivals, to, 1);
    Atomics.notify(this.arrivals, to);
  }

  /** Removes and returns message `key` from rank `from`; null if it has not arrived by `deadline` (ms). */
  take(from: number, key: string, deadline: number): Message | null {
    for (;;) {
      const seen = Atomics.load(this.arrivals, this.context.rank);
      const message = this.peek(from, key);
      if (message !== null) {
        this.received[from]!.delete(key);
        return message;
      }
      const remaining = deadline - performance.now();
      if (remaining <= 0) return null;
      Atomics.wait(this.arrivals, this.context.rank, seen, remaining);
    }
  }

  /** Message `key` from rank `from`, if it has arrived. */
  peek(from: number, key: string): Message | null {
    const port = this.context.ports[from] ?? null;
    for (let message = readMessage(port); message !== null; message = readMessage(port)) {
      this.received[from]!.set(message.key, message);
    }
    return this.received[from]!.get(key) ?? null;
  }
}

/** A copy in memory that all threads see: one for all receivers, in place of one for each. */
function share(values: Values): Values {
  const memory = new SharedArrayBuffer(values.byteLength);
  const shared =
    values instanceof Float32Array
      ? new Float32Array(memory)
      : values instanceof Int32Array
        ? new Int32Array(memory)
        : new Uint8Array(memory);
  shared.set(values);
  return shared;
}

const arrayOf = ({ memory }: Elements): Values => memory as Values; // the engine is not native

class ThreadEngine implements Engine {
  readonly native = false;
  private callCount = 0;
  private readonly sendCounts = new Map<string, number>();
  private readonly receiveCounts = new Map<string, number>();

  constructor(
    private readonly mailbox: Mailbox,
    private readonly name: string,
    private readonly id: string,
    private readonly ranks: readonly number[],
  ) {}

  start(call: Call): Pending {
    if (call.kind === "send") return this.send(call);
    if (call.kind === "receive") return this.receive(call);
    this.callCount += 1;
    const key = `${this.id} #${this.callCount}`;
    const shared = this.inputOf(call);
    const size = (shared?.length ?? 0) / this.ranks.length;
    this.ranks.forEach((to, index) => {
      const values =
        call.kind === "reduceScatter" ? shared!.subarray(index * size, (index + 1) * size) : shared;
      this.mailbox.post(to, { key, call: describeCall(call), values });
    });
    return this.pending(
      () => this.ranks.every((from) => this.mailbox.peek(from, key) !== null),
      (deadline) => this.finish(call, this.collect(call, key, deadline)),
      call.kind === "barrier" ? call.seconds : undefined,
    );
  }

  /** This rank's input, if others need it, in memory that they share. */
  private inputOf(call: Call): Values | null {
    if (!("from" in call)) return null;
    const isHeard =
      call.kind !== "broadcast" || this.ranks[call.root] === this.mailbox.context.rank;
    return isHeard ? share(arrayOf(call.from)) : null;
  }

  /** The messages of all ranks. Throws on timeout, and where another rank makes another call. */
  private collect(call: Call, key: string, deadline: number): readonly Message[] {
    const messages = this.ranks.map((from) => this.mailbox.take(from, key, deadline));
    const missing = this.ranks.filter((_, index) => messages[index] === null);
    if (missing.length > 0) {
      const arrived = this.ranks.filter((rank) => !missing.includes(rank));
      throw new Error(
        `${this.describe(call)}: time is up; ranks ${arrived.join(", ")} called it, ` +
          `ranks ${missing.join(", ")} did not`,
      );
    }
    const present = messages as Message[];
    const own = describeCall(call);
    const other = present.findIndex((message) => message.call !== own);
    if (other >= 0) {
      throw new Error(
        `${this.describe(call)}: rank ${this.mailbox.context.rank} calls ${own}, ` +
          `but rank ${this.ranks[other]!} calls ${present[other]!.call}`,
      );
    }
    return present;
  }

  private describe(call: Call): string {
    return `${call.kind} #${this.callCount} of ${this.name} (ranks ${this.ranks.join(", ")})`;
  }

  private finish(call: Call, messages: readonly Message[]): void {
    const all = messages.map(({ values }) => values!);
    if (call.kind === "allReduce" || call.kind === "reduceScatter") {
      const to = arrayOf(call.to);
      if (call.op === "onto") reduceInto(to, [to, ...all], "sum");
      else reduceInto(to, all, call.op);
    } else if (call.kind === "broadcast") {
      arrayOf(call.to).set(all[call.root]!);
    } else if (call.kind === "allGather") {
      all.forEach((values, index) => arrayOf(call.to).set(values, index * values.length));
    }
  }

  private send({ from, peer, tag }: Extract<Call, { kind: "send" }>): Pending {
    const to = this.ranks[peer]!;
    const key = this.nextKey(this.sendCounts, to, tag);
    this.mailbox.post(to, {
      key,
      call: `${from.size} ${from.storage}`,
      values: share(arrayOf(from)),
    });
    return this.pending(
      () => true,
      () => undefined,
    );
  }

  private receive(call: Extract<Call, { kind: "receive" }>): Pending {
    const from = this.ranks[call.peer]!;
    const key = this.nextKey(this.receiveCounts, from, call.tag);
    return this.pending(
      () => this.mailbox.peek(from, key) !== null,
      (deadline) => {
        const message = this.mailbox.take(from, key, deadline);
        const described = `${describeCall(call)} in ${this.name}`;
        if (message === null)
          throw new Error(`${described}: time is up; rank ${from} did not send`);
        if (message.call !== `${call.to.size} ${call.to.storage}`) {
          throw new Error(`${described}: rank ${from} sent ${message.call}`);
        }
        arrayOf(call.to).set(message.values!);
      },
    );
  }

  /** The key of the next send or receive: those between two ranks match by their count. */
  private nextKey(counts: Map<string, number>, other: number, tag: number): string {
    const count = (counts.get(`${other} ${tag}`) ?? 0) + 1;
    counts.set(`${other} ${tag}`, count);
    return `${this.id} tag ${tag} #${count}`;
  }

  private pending(
    isDone: () => boolean,
    end: (deadline: number) => void,
    seconds = this.mailbox.context.limitSeconds,
  ): Pending {
    const start = performance.now();
    let duration = 0;
    return {
      get done() {
        return isDone();
      },
      get seconds() {
        return duration;
      },
      wait() {
        end(start + 1000 * seconds);
        duration = (performance.now() - start) / 1000;
      },
    };
  }
}

/** The world of a rank's thread. */
export function threadWorld(context: ThreadContext, abort: World["abort"]): World {
  const mailbox = new Mailbox(context);
  const groupCounts = new Map<string, number>();
  const group: World["group"] = (name, ranks) => {
    if (ranks.length === 1) return singleGroup(context.rank, name);
    const list = ranks.join(",");
    const count = (groupCounts.get(list) ?? 0) + 1;
    groupCounts.set(list, count);
    const engine = new ThreadEngine(mailbox, name, `${list}/${count}`, ranks);
    return tensorGroup({ name, rank: ranks.indexOf(context.rank), ranks }, engine);
  };
  const everyone = Array.from({ length: context.size }, (_, rank) => rank);
  const all = group("the world", everyone);
  const hosts = everyone.map((rank) => `thread ${rank}`);
  const close = () => all.barrier();
  return {
    rank: context.rank,
    size: context.size,
    hosts,
    engine: "threads",
    all,
    group,
    abort,
    close,
  };
}
