// What there is at a path.

import { statSync, type Stats } from "node:fs";
import { UserError } from "@tessera/config";
import { reasonOf } from "./reason.js";

/**
 * What is at `path`, with links followed; undefined for nothing.
 *
 * @throws UserError where that cannot be known.
 */
export function statPath(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw new UserError(`${path}: cannot be examined (${reasonOf(error)}), check the path`);
  }
}
