// Finds and loads the addon, and says what it offers. native/addon.cc is the other side.

import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Call, Values } from "@tessera/collectives";
import { UserError } from "@tessera/config";

/** In the order of `Kind` in native/call.h. */
export const KINDS: readonly Call["kind"][] = [
  "allReduce",
  "reduceScatter",
  "allGather",
  "broadcast",
  "send",
  "receive",
  "barrier",
];
/** In the order of `Op` in native/reduce.h. */
export const OPS = ["sum", "mean", "max", "min", "onto"] as const;

export interface Facts {
  readonly rank: number;
  readonly size: number;
  readonly hosts: readonly string[];
  readonly library: string;
}

/** What this machine's MPI is, and the highest of MPI's four thread levels that it gives. */
export interface Survey {
  readonly library: string;
  readonly threadLevel: "single" | "funneled" | "serialized" | "multiple";
}

type Memory = number | Values;

export interface Addon {
  /** `who` begins the last words of a process whose MPI does not start in time. */
  connect(who: string, limitSeconds: number, compares: boolean): Facts;
  /** Starts MPI and ends it: this process can then be no rank. */
  survey(): Survey;
  group(name: string, ranks: readonly number[]): number;
  post(
    ...call: readonly [
      group: number,
      kind: number,
      storage: number,
      op: number,
      size: number,
      from: Memory,
      to: Memory,
      peer: number,
      tag: number,
      limitSeconds: number,
    ]
  ): number;
  isDone(call: number): boolean;
  wait(call: number): number;
  abort(code: number): never;
  close(): void;
}

/** Where the addon lies, or null where none is built. */
export const findAddon = (): string | null => findBuilt("tessera_mpi.node");

/** Where the library lies that keeps a launcher on loopback; null where it is not built, or no Linux. */
export const findLoopback = (): string | null => findBuilt("tessera_loopback.so");

function findBuilt(name: string): string | null {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const file = path.join(root, "dist", "native", name);
  return existsSync(file) ? file : null;
}

/** Whether something is mapped right behind the heap of malloc, which can then never grow. */
function isHeapBoxedIn(): boolean {
  const maps = "/proc/self/maps";
  const lines = existsSync(maps) ? readFileSync(maps, "utf8").split("\n") : [];
  const heap = lines.findLastIndex((line) => line.endsWith("[heap]"));
  const end = /-(\S+)/.exec(lines[heap] ?? "")?.[1];
  return end !== undefined && lines[heap + 1]?.startsWith(`${end}-`) === true;
}

/**
 * MPI loads parts of itself that look for its symbols among the global ones.
 *
 * @throws UserError where the MPI that the addon is built on does not load.
 */
export function loadAddon(file: string): Addon {
  // UCX, over which MPICH and Open MPI may send, tries its hooks by moving the heap's end a page up and then a page
  // down. Where V8's code lies right behind the heap, as in one of 64 processes, only the second succeeds, and a page
  // in use is gone. There UCX must do without hooks. It reads this as it is loaded.
  if (isHeapBoxedIn()) process.env["UCX_MEM_EVENTS"] ??= "n";
  const holder = { exports: {} };
  try {
    process.dlopen(holder, file, constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL);
  } catch (error) {
    const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    throw new UserError(
      `the MPI engine does not load (${line}): with @tessera/cli installed, npx tessera build-engines builds it on ` +
        "the MPI that is here",
    );
  }
  return holder.exports as Addon;
}
