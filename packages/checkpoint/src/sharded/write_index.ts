// Writing the index of a checkpoint.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { INDEX, checksumPrefix, type Index } from "./index_format.js";

/** Writes index.json into `folder`, and waits until it is on the disk. */
export function writeIndex(folder: string, index: Omit<Index, "format">): void {
  const body = `${JSON.stringify({ format: "tessera-checkpoint", ...index }).slice(1)}\n`;
  writeFileSync(join(folder, INDEX), checksumPrefix(body) + body, { flush: true });
}
