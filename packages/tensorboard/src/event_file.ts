// A file of events in a folder that TensorBoard watches.

import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { record, scalarsEvent, versionEvent } from "./event.js";

/** An open event file. */
export interface EventFile {
  readonly path: string;
  /** Appends `values` by tag; they are in the file when this returns. */
  scalars(step: number, values: Readonly<Record<string, number>>): void;
  close(): void;
}

/**
 * Starts a file in `folder`, which is made if need be; TensorBoard joins the files of a folder to one
 * run, so a resumed run goes on in a file of its own. `now` gives seconds since 1970.
 */
export function openEventFile(
  folder: string,
  now: () => number = () => Date.now() / 1000,
): EventFile {
  mkdirSync(folder, { recursive: true });
  const began = now();
  const name = `events.out.tfevents.${Math.floor(began)}.${hostname()}.${process.pid}.0`;
  const path = join(folder, name);
  const file = openSync(path, "a");
  writeSync(file, record(versionEvent(began)));
  return {
    path,
    scalars(step, values) {
      writeSync(file, record(scalarsEvent({ wallTime: now(), step, values })));
    },
    close: () => closeSync(file),
  };
}
