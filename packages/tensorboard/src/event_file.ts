// An event file in a folder that TensorBoard watches.

import { closeSync, readdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { UserError } from "@tessera/config";
import { appendWhole, makeFolder, openToAppend, writeError, type OpenFile } from "@tessera/files";
import {
  encodeRecord,
  encodeRestartEvent,
  encodeScalarsEvent,
  encodeVersionEvent,
  type Scalars,
} from "./event.js";
import { readScalars } from "./read_scalars.js";

/** An open event file. */
export interface EventFile {
  readonly path: string;
  /** Appends `values` by tag. They are in the file when this returns. */
  writeScalars(step: number, values: Readonly<Record<string, number>>): void;
  close(): void;
}

/** Where a run goes on in a folder that has event files of it. */
export interface Restart {
  /** The first step that is taken now. What earlier files have from it on is forgotten. */
  readonly step: number;
  /**
   * Which of that stays all the same: scalars by something else than steps, from before this step was taken. Default:
   * nothing.
   */
  readonly keeps?: (tag: string, step: number) => boolean;
}

/** What an event file begins with. */
export interface EventFileOptions {
  /** Default: the run does not go on from anything. */
  readonly restart?: Restart;
  /** Seconds since 1970. Default: the clock. */
  readonly now?: () => number;
}

/**
 * Creates a file in `folder`, which is created if need be. TensorBoard joins the files of a folder to one run, so a
 * resumed run continues in a new file.
 *
 * @throws UserError where the folder cannot be made, and of `writeScalars` where the disk is full.
 */
export function openEventFile(
  folder: string,
  { restart, now = () => Date.now() / 1000 }: EventFileOptions = {},
): EventFile {
  try {
    makeFolder(folder);
  } catch (error) {
    throw writeError(folder, error, "choose another folder");
  }
  const earlier = readdirSync(folder).filter((name) => name.startsWith(PREFIX));
  const began = now();
  const name = `${PREFIX}${Math.floor(began)}.${hostname()}.${process.pid}.0`;
  const path = join(folder, name);
  const first = [encodeVersionEvent(began)];
  if (restart !== undefined && earlier.length > 0) {
    const paths = earlier.sort().map((each) => join(folder, each));
    first.push(encodeRestartEvent(began, restart.step));
    first.push(...keptScalars(paths, restart).map(encodeScalarsEvent));
  }
  const file = createLazily(path, Buffer.concat(first.map(encodeRecord)));
  return {
    path,
    writeScalars: (step, values) =>
      file.append(encodeRecord(encodeScalarsEvent({ wallTime: now(), step, values }))),
    close: () => file.close(),
  };
}

/** A file that begins with `first`, as soon as there is room: a disk that is full now may have some later. */
function createLazily(path: string, first: Uint8Array) {
  let file: OpenFile | null = null;
  let isBegun = false;
  const open = (): OpenFile => {
    file ??= { path, descriptor: openToAppend(path) };
    if (!isBegun) appendWhole(file, first);
    isBegun = true;
    return file;
  };
  try {
    open();
  } catch (error) {
    if (!(error instanceof UserError)) throw error; // `append` says it
  }
  return {
    append: (bytes: Uint8Array): void => appendWhole(open(), bytes),
    close(): void {
      if (file !== null) closeSync(file.descriptor);
    },
  };
}

const PREFIX = "events.out.tfevents.";

/** What would be forgotten, and is written again; of what was written twice the later. */
function keptScalars(paths: readonly string[], { step: from, keeps }: Restart): Scalars[] {
  if (keeps === undefined) return [];
  const kept = new Map<string, Scalars>();
  for (const { step, wallTime, values } of paths.flatMap(readScalars)) {
    if (step < from) continue;
    for (const [tag, value] of Object.entries(values)) {
      if (keeps(tag, step))
        kept.set(`${step} ${tag}`, { step, wallTime, values: { [tag]: value } });
    }
  }
  return [...kept.values()];
}
