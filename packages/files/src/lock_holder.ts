// Who holds a lock file.

import { readFileSync } from "node:fs";
import type { ProcessIdentity } from "./process_identity.js";

/** What a lock file says. */
export interface LockHolder extends ProcessIdentity {
  /** When the lock was taken: ISO 8601, UTC. */
  readonly since: string;
  readonly token: string;
}

const TYPES = {
  host: "string",
  boot: "string",
  namespace: "string",
  process: "number",
  started: "string",
  since: "string",
  token: "string",
} as const;

/** Who holds the lock at `path`; null where there is none, or its file is not whole. */
export function readHolder(path: string): LockHolder | null {
  try {
    const value = JSON.parse(readFileSync(path, "utf8")) as Readonly<
      Record<string, unknown>
    > | null;
    return isHolder(value) ? value : null;
  } catch {
    return null;
  }
}

const isHolder = (value: object | null): value is LockHolder =>
  value !== null &&
  Object.entries(TYPES).every(
    ([key, type]) => typeof (value as Record<string, unknown>)[key] === type,
  );
