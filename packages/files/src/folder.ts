// Folders to write into.

import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Makes `folder` and those that it lies in, where they are not there. Throws the system's error. */
export function makeFolder(folder: string): void {
  // Node's own recursion does not end where /proc refuses a folder.
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return;
  const parent = dirname(folder);
  if (parent !== folder) makeFolder(parent);
  try {
    mkdirSync(folder);
  } catch (error) {
    // Another process was faster; or it is a file.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}
