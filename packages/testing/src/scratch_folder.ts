// A temporary folder of a test file.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "@jest/globals";

/** Creates a folder that is removed after the tests of the file. Returns the path of a name in it. */
export function scratchFolder(purpose: string): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), `tessera-${purpose}-`));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return (name) => join(folder, name);
}
