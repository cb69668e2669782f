// What is trained on where no text is named.

import { createRequire } from "node:module";
import { join, sep } from "node:path";

/**
 * A glob of the English documentation that installed packages bring: real text that is there wherever
 * this program is, so that an example runs as it stands.
 */
export function defaultCorpus(): string {
  const installed = createRequire(import.meta.url).resolve("@tensorflow/tfjs-core/package.json");
  const folder = `${sep}node_modules${sep}`;
  const end = installed.lastIndexOf(folder) + folder.length;
  return join(installed.slice(0, end), "**", "*.md");
}
