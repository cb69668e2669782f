// Writing a checkpoint's index, apart from reading it: the thread that does needs no model.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { Index } from "./read_index.js";

export const INDEX = "index.json";

/** What an index begins with: the sum of the rest. */
export const prefixOf = (body: string): string =>
  `{"crc32":"${crc32(body).toString(16).padStart(8, "0")}",`;

export function writeIndex(folder: string, index: Omit<Index, "format">): void {
  const body = `${JSON.stringify({ format: "tessera-checkpoint", ...index }).slice(1)}\n`;
  writeFileSync(join(folder, INDEX), prefixOf(body) + body, { flush: true });
}
