// Writing a checkpoint's index, apart from reading it: the thread that does needs no model.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { INDEX, prefixOf, type Index } from "./index_format.js";

export function writeIndex(folder: string, index: Omit<Index, "format">): void {
  const body = `${JSON.stringify({ format: "tessera-checkpoint", ...index }).slice(1)}\n`;
  writeFileSync(join(folder, INDEX), prefixOf(body) + body, { flush: true });
}
