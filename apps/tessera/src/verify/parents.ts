// Where Node looks for packages.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** `folder` and all that it is in, innermost first. */
export const parentsOf = (folder: string): readonly string[] => {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...parentsOf(parent)];
};

/** The folder of the nearest package.json above `file`, or where there is none, of the file. */
export const packageOf = (file: string): string =>
  parentsOf(dirname(file)).find((folder) => existsSync(join(folder, "package.json"))) ??
  dirname(file);
