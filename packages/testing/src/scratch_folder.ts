// A folder of a test file's own.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "@jest/globals";

/** Makes a folder that is removed after the file's tests. Returns the path of a name in it. */
export function scratchFolder(purpose: string): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), `tessera-${purpose}-`));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return (name) => join(folder, name);
}
