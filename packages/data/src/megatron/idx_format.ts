// Megatron's `.idx` file (MMIDIDX, version 1), little-endian: 9 bytes of magic; u64 version; u8
// dtype; u64 N sequences; u64 D document bounds; i32[N] lengths in tokens; i64[N] offsets in bytes;
// i64[D] the first sequence of each document, and N.

import { UserError } from "@tessera/config";
import type { NumberFormat } from "./file_array.js";

const MAGIC = "MMIDIDX\0\0";
const VERSION = 1;
export const HEADER_BYTES = 34;

/** How tokens are stored. */
export type TokenDtype = Exclude<NumberFormat, "u32">;

const codes: Readonly<Record<TokenDtype, number>> = {
  u8: 1,
  i8: 2,
  i16: 3,
  i32: 4,
  i64: 5,
  u16: 8,
};

export interface IdxHeader {
  readonly dtype: TokenDtype;
  readonly sequenceCount: number;
  /** Number of documents + 1. */
  readonly boundCount: number;
}

/** Offsets of the arrays and length of the file, in bytes. */
export function idxOffsets({ sequenceCount, boundCount }: IdxHeader) {
  const offsets = HEADER_BYTES + 4 * sequenceCount;
  const bounds = offsets + 8 * sequenceCount;
  return { lengths: HEADER_BYTES, offsets, bounds, end: bounds + 8 * boundCount };
}

export function encodeIdxHeader({ dtype, sequenceCount, boundCount }: IdxHeader): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(MAGIC, "latin1");
  bytes.writeBigUInt64LE(BigInt(VERSION), 9);
  bytes.writeUInt8(codes[dtype], 17);
  bytes.writeBigUInt64LE(BigInt(sequenceCount), 18);
  bytes.writeBigUInt64LE(BigInt(boundCount), 26);
  return bytes;
}

/** Parses the header of a file of `fileBytes`. Throws a UserError where it is not valid. */
export function parseIdxHeader(header: Buffer, fileBytes: number, path: string): IdxHeader {
  const refuse = (fault: string) => new UserError(`${path}: ${fault}`);
  if (header.toString("latin1", 0, MAGIC.length) !== MAGIC) {
    throw refuse("is not an index of a Megatron dataset (it does not begin with MMIDIDX)");
  }
  const version = header.readBigUInt64LE(9);
  if (version !== BigInt(VERSION)) {
    throw refuse(`has version ${version.toString()} of the index format, only ${VERSION} is known`);
  }
  const code = header.readUInt8(17);
  const [dtype] = Object.entries(codes).find(([, known]) => known === code) ?? [];
  if (dtype === undefined) throw refuse(dtypeFault(code));
  const found: IdxHeader = {
    dtype: dtype as TokenDtype,
    sequenceCount: Number(header.readBigUInt64LE(18)),
    boundCount: Number(header.readBigUInt64LE(26)),
  };
  const { end } = idxOffsets(found);
  if (end !== fileBytes) {
    throw refuse(
      `has ${fileBytes} bytes, but ${found.sequenceCount} sequences and ${found.boundCount} ` +
        `document bounds need ${end}: it is cut short or damaged, copy or make it again`,
    );
  }
  return found;
}

const dtypeFault = (code: number): string =>
  code === 6 || code === 7
    ? `holds floating-point numbers (dtype ${code}), token ids are needed`
    : `has dtype ${code}, which the format does not know`;
