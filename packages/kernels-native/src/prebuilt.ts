// The binaries of another package, which npm installs where its manifest fits the machine: native/prebuild.mjs makes it.

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { levelsFor, type Level, type Machine } from "./machine.js";

/** A file, or why there is none. */
export type Found = { readonly file: string } | { readonly reason: string };

/** What a package of binaries says of itself in its manifest. */
interface Prebuilt {
  readonly levels: readonly Level[];
  /** The oldest glibc that all of its files load on. */
  readonly glibc: string;
}

/** The best addon of the package `name` that `machine` can run. `resolve` finds a module's file, or throws. */
export function findPrebuilt(
  name: string,
  machine: Machine,
  resolve: (id: string) => string,
): Found {
  const manifest = locate(`${name}/package.json`, resolve);
  if (manifest === null) return { reason: `it is not built here, and ${name} is not installed` };
  const { tessera } = JSON.parse(readFileSync(manifest, "utf8")) as { tessera: Prebuilt };
  if (machine.glibc === null || isOlder(machine.glibc, tessera.glibc)) {
    const had = machine.glibc === null ? "another C library" : `glibc ${machine.glibc}`;
    return { reason: `${name} needs glibc ${tessera.glibc}, and this machine has ${had}` };
  }
  const level = levelsFor(machine.flags).find((each) => tessera.levels.includes(each));
  if (level === undefined) {
    const levels = tessera.levels.join(", ");
    return { reason: `${name} is for processors of level ${levels}, and this one is of none` };
  }
  const file = path.join(path.dirname(manifest), `tessera-${level}.node`);
  return existsSync(file) ? { file } : { reason: `${file} is missing; install ${name} again` };
}

function locate(id: string, resolve: (id: string) => string): string | null {
  try {
    return resolve(id);
  } catch {
    return null;
  }
}

/** Whether version `a` is older than `b`, both as "2.36". */
function isOlder(a: string, b: string): boolean {
  const [[majorA = 0, minorA = 0], [majorB = 0, minorB = 0]] = [a, b].map((version) =>
    version.split(".").map(Number),
  ) as [number[], number[]];
  return majorA === majorB ? minorA < minorB : majorA < majorB;
}
