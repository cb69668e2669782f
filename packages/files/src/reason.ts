// What a system error is to the user.

import { UserError } from "@tessera/config";

/** Why a system call failed, for an error message: "the disk is full", or the system's code such as `EACCES`. */
export function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC") return "the disk is full";
  if (code === "EFBIG") return "it is too large";
  if (code === "EMFILE") return "too many files are open; raise ulimit -n";
  return code ?? "for no reason that the system gives";
}

/**
 * The error to throw where writing `path` failed with `error`: a UserError with the file, the reason and `advice`
 * for an error of the system, any other error as it is.
 */
export function writeError(path: string, error: unknown, advice = "check the folder"): unknown {
  const isSystems = (error as NodeJS.ErrnoException).code !== undefined;
  if (!isSystems || error instanceof UserError) return error;
  return new UserError(`${path}: cannot be written (${reasonOf(error)}); ${advice}`);
}
