// A file's size and SHA-256 sum, read in pieces so that its size does not matter.

import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";

const PIECE = 2 ** 22;

export interface Fingerprint {
  readonly bytes: number;
  readonly sha256: string;
}

export function fingerprint(path: string): Fingerprint {
  const hash = createHash("sha256");
  const piece = new Uint8Array(PIECE);
  const descriptor = openSync(path, "r");
  try {
    let bytes = 0;
    for (let read = -1; read !== 0; bytes += read) {
      read = readSync(descriptor, piece);
      hash.update(piece.subarray(0, read));
    }
    return { bytes, sha256: hash.digest("hex") };
  } finally {
    closeSync(descriptor);
  }
}
