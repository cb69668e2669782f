// Fault injection: a file system that stops in the middle of writes to a folder, as when a process is killed.

import fs from "node:fs";
import promises from "node:fs/promises";
import { jest } from "@jest/globals";

/** Ends a save; nothing after it reaches the folder. */
export class Killed extends Error {
  override readonly name = "Killed";
}

/** The calls that change a folder; their first argument is the path or descriptor. */
const CHANGES = ["mkdirSync", "writeFileSync", "renameSync", "rmSync", "fsyncSync"] as const;

export interface Faults {
  /** How many calls changed the folder. */
  readonly count: number;
  restore(): void;
}

/**
 * Lets `count - 1` changes in `folder` through, and none after them. With `torn`, the next one is half done if it
 * writes bytes.
 */
export function failAt(folder: string, count: number, torn = false): Faults {
  let done = 0;
  /** Whether the next change is let through; "half" for the one at which the process ends. */
  const admit = (): "whole" | "half" => {
    done += 1;
    if (done < count) return "whole";
    if (done === count && torn) return "half";
    throw new Killed(`at change ${count}`);
  };
  const concerns = (path: unknown): boolean =>
    typeof path === "number" || (typeof path === "string" && path.startsWith(folder));
  const spies = CHANGES.map((name) => {
    const original = fs[name] as Call;
    return jest.spyOn(fs, name as "mkdirSync").mockImplementation(((...args: unknown[]) => {
      if (!concerns(args[0])) return original(...args);
      if (admit() === "whole") return original(...args);
      halve[name]?.(original, args);
      throw new Killed(`in change ${count}`);
    }) as typeof fs.mkdirSync);
  });
  const open = promises.open.bind(promises);
  const opened = jest.spyOn(promises, "open").mockImplementation(async (path, flags) => {
    admit();
    const file = await open(path, flags);
    return failingFile(file, admit);
  });
  const rm = promises.rm.bind(promises);
  const removed = jest.spyOn(promises, "rm").mockImplementation(async (path, options) => {
    if (admit() === "whole") return rm(path, options);
    halve.rmSync?.(fs.rmSync as Call, [path]);
    throw new Killed(`in change ${count}`);
  });
  return {
    get count() {
      return done;
    },
    restore: () => [...spies, opened, removed].forEach((spy) => spy.mockRestore()),
  };
}

type Call = (...args: unknown[]) => unknown;

/** How changes are half done; others happen or do not. */
const halve: Partial<Record<(typeof CHANGES)[number], (original: Call, args: unknown[]) => void>> =
  {
    writeFileSync(original, [path, text]) {
      original(path, String(text).slice(0, Math.floor(String(text).length / 2)));
    },
    rmSync(original, [path]) {
      if (!fs.statSync(String(path), { throwIfNoEntry: false })?.isDirectory()) return;
      const names = fs.readdirSync(String(path));
      for (const name of names.slice(0, names.length / 2)) original(`${String(path)}/${name}`);
    },
  };

type File = Awaited<ReturnType<typeof promises.open>>;

/** `file`, whose writes and flushes are changes. Closing it is not: the end of a process closes files too. */
function failingFile(file: File, admit: () => "whole" | "half"): File {
  const write = file.write.bind(file) as (
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ) => ReturnType<File["write"]>;
  const sync = file.sync.bind(file);
  return Object.assign(file, {
    async write(bytes: Uint8Array, offset: number, length: number, position: number) {
      if (admit() === "whole") return write(bytes, offset, length, position);
      await write(bytes, offset, Math.floor(length / 2), position);
      throw new Killed("in a write");
    },
    async sync() {
      admit();
      await sync();
    },
  });
}
