// An event file in a folder that TensorBoard watches.

import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { encodeRecord, encodeScalarsEvent, encodeVersionEvent } from "./event.js";

/** An open event file. */
export interface EventFile {
  readonly path: string;
  /** Appends `values` by tag. They are in the file when this returns. */
  writeScalars(step: number, values: Readonly<Record<string, number>>): void;
  close(): void;
}

/**
 * Creates a file in `folder`, which is created if need be. TensorBoard joins the files of a folder to one run, so a
 * resumed run continues in a new file. `now` returns seconds since 1970. Default: the clock.
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
  writeSync(file, encodeRecord(encodeVersionEvent(began)));
  return {
    path,
    writeScalars(step, values) {
      writeSync(file, encodeRecord(encodeScalarsEvent({ wallTime: now(), step, values })));
    },
    close: () => closeSync(file),
  };
}
