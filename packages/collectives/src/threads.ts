// The engine of ranks that are threads of one process, for tests and laptops. Each pair of ranks has a
// message channel; a rank that waits blocks its thread, as it would on MPI, so the code under test
// is the code that runs on a cluster.

import { receiveMessageOnPort, type MessagePort } from "node:worker_threads";
import { describeCall, type Call, type Elements, type Engine } from "./engine.js";
import type { Pending, Values } from "./engine.js";
import { reduceInto } from "./reduce.js";
import { singleGroup } from "./single.js";
import { tensorGroup } from "./tensor_group.js";
import type { World } from "./world.js";

/** What a thread is given to be a rank. */
export interface Seat {
  readonly rank: number;
  readonly size: number;
  /** The way to each other rank, by rank; null to itself. */
  readonly ports: readonly (MessagePort | null)[];
  /** A count per rank of the letters posted to it, to sleep on. */
  readonly arrivals: SharedArrayBuffer;
  readonly limitSeconds: number;
}

interface Letter {
  /** Group, channel and number: what the receiver looks for. */
  readonly key: string;
  /** The sender's call, to be compared. */
  readonly call: string;
  readonly values: Values | null;
}

/** The next letter that has come, or null; typed here, for Node's types say nothing of messages. */
function next(port: MessagePort | null): Letter | null {
  const got = port === null ? undefined : receiveMessageOnPort(port);
  return got === undefined ? null : (got as { readonly message: Letter }).message;
}

/** Letters to and from the other threads. */
class Mailbox {
  private readonly arrivals: Int32Array;
  private readonly read: Map<string, Letter>[];

  constructor(readonly seat: Seat) {
    this.arrivals = new Int32Array(seat.arrivals);
    this.read = seat.ports.map(() => new Map<string, Letter>());
  }

  post(to: number, letter: Letter): void {
    if (to === this.seat.rank) this.read[to]!.set(letter.key, structuredClone(letter));
    else this.seat.ports[to]!.postMessage(letter);
    Atomics.add(this.arrivals, to, 1);
    Atomics.notify(this.arrivals, to);
  }

  /** The letter `key` from rank `from`, or null where it has not come by `deadline` (ms). */
  take(from: number, key: string, deadline: number): Letter | null {
    for (;;) {
      const seen = Atomics.load(this.arrivals, this.seat.rank);
      const letter = this.peek(from, key);
      if (letter !== null) {
        this.read[from]!.delete(key);
        return letter;
      }
      const left = deadline - performance.now();
      if (left <= 0) return null;
      Atomics.wait(this.arrivals, this.seat.rank, seen, left);
    }
  }

  peek(from: number, key: string): Letter | null {
    const port = this.seat.ports[from] ?? null;
    for (let letter = next(port); letter !== null; letter = next(port)) {
      this.read[from]!.set(letter.key, letter);
    }
    return this.read[from]!.get(key) ?? null;
  }
}

const arrayOf = ({ memory }: Elements): Values => memory as Values; // the engine is not native

class ThreadEngine implements Engine {
  readonly native = false;
  private number = 0;
  private readonly sent = new Map<string, number>();
  private readonly received = new Map<string, number>();

  constructor(
    private readonly mailbox: Mailbox,
    private readonly name: string,
    private readonly id: string,
    private readonly ranks: readonly number[],
  ) {}

  start(call: Call): Pending {
    if (call.kind === "send") return this.send(call);
    if (call.kind === "receive") return this.receive(call);
    this.number += 1;
    const { number } = this;
    const key = `${this.id} #${number}`;
    this.ranks.forEach((to, index) => {
      const values = this.partFor(call, index);
      this.mailbox.post(to, { key, call: describeCall(call), values });
    });
    return this.pending(
      () => this.ranks.every((from) => this.mailbox.peek(from, key) !== null),
      (deadline) => this.finish(call, this.gather(call, key, deadline)),
      call.kind === "barrier" ? call.seconds : undefined,
    );
  }

  /** What rank `index` needs of this rank's elements. */
  private partFor(call: Call, index: number): Values | null {
    if (!("from" in call)) return null;
    const from = arrayOf(call.from);
    if (call.kind !== "reduceScatter") return from;
    const size = from.length / this.ranks.length;
    return from.slice(index * size, (index + 1) * size);
  }

  private gather(call: Call, key: string, deadline: number): readonly Letter[] {
    const letters = this.ranks.map((from) => this.mailbox.take(from, key, deadline));
    const late = this.ranks.filter((_, index) => letters[index] === null);
    if (late.length > 0) {
      const came = this.ranks.filter((rank) => !late.includes(rank));
      throw new Error(
        `${this.where(call)}: time is up; ranks ${came.join(", ")} called it, ` +
          `ranks ${late.join(", ")} did not`,
      );
    }
    const present = letters as Letter[];
    const own = describeCall(call);
    const other = present.findIndex((letter) => letter.call !== own);
    if (other >= 0) {
      throw new Error(
        `${this.where(call)}: rank ${this.mailbox.seat.rank} calls ${own}, ` +
          `but rank ${this.ranks[other]!} calls ${present[other]!.call}`,
      );
    }
    return present;
  }

  private where(call: Call): string {
    return `${call.kind} #${this.number} of ${this.name} (ranks ${this.ranks.join(", ")})`;
  }

  private finish(call: Call, letters: readonly Letter[]): void {
    const all = letters.map(({ values }) => values!);
    if (call.kind === "allReduce" || call.kind === "reduceScatter") {
      reduceInto(arrayOf(call.to), all, call.op);
    } else if (call.kind === "broadcast") {
      arrayOf(call.to).set(all[call.root]!);
    } else if (call.kind === "allGather") {
      all.forEach((values, index) => arrayOf(call.to).set(values, index * values.length));
    }
  }

  private send({ from, peer, tag }: Extract<Call, { kind: "send" }>): Pending {
    const to = this.ranks[peer]!;
    const key = this.nextKey(this.sent, to, tag);
    this.mailbox.post(to, { key, call: `${from.size} ${from.storage}`, values: arrayOf(from) });
    return this.pending(
      () => true,
      () => undefined,
    );
  }

  private receive(call: Extract<Call, { kind: "receive" }>): Pending {
    const from = this.ranks[call.peer]!;
    const key = this.nextKey(this.received, from, call.tag);
    return this.pending(
      () => this.mailbox.peek(from, key) !== null,
      (deadline) => {
        const letter = this.mailbox.take(from, key, deadline);
        const what = `${describeCall(call)} in ${this.name}`;
        if (letter === null) throw new Error(`${what}: time is up; rank ${from} did not send`);
        if (letter.call !== `${call.to.size} ${call.to.storage}`) {
          throw new Error(`${what}: rank ${from} sent ${letter.call}`);
        }
        arrayOf(call.to).set(letter.values!);
      },
    );
  }

  /** Sends and receives between two ranks match by their count. */
  private nextKey(counts: Map<string, number>, other: number, tag: number): string {
    const count = (counts.get(`${other} ${tag}`) ?? 0) + 1;
    counts.set(`${other} ${tag}`, count);
    return `${this.id} tag ${tag} #${count}`;
  }

  private pending(
    isDone: () => boolean,
    end: (deadline: number) => void,
    seconds = this.mailbox.seat.limitSeconds,
  ): Pending {
    const began = performance.now();
    let took = 0;
    return {
      get done() {
        return isDone();
      },
      get seconds() {
        return took;
      },
      wait() {
        end(began + 1000 * seconds);
        took = (performance.now() - began) / 1000;
      },
    };
  }
}

/** The world of a thread that was given `seat`. */
export function threadWorld(seat: Seat, abort: World["abort"]): World {
  const mailbox = new Mailbox(seat);
  const made = new Map<string, number>();
  const group: World["group"] = (name, ranks) => {
    if (ranks.length === 1) return singleGroup(seat.rank, name);
    const list = ranks.join(",");
    made.set(list, (made.get(list) ?? 0) + 1);
    const engine = new ThreadEngine(mailbox, name, `${list}/${made.get(list)!}`, ranks);
    return tensorGroup({ name, rank: ranks.indexOf(seat.rank), ranks }, engine);
  };
  const everyone = Array.from({ length: seat.size }, (_, rank) => rank);
  const all = group("the world", everyone);
  const hosts = everyone.map((rank) => `thread ${rank}`);
  const close = () => all.barrier();
  return { rank: seat.rank, size: seat.size, hosts, engine: "threads", all, group, abort, close };
}
