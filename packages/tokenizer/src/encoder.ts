// Bytes to ids: pieces by the pattern, each looked up among those that were met before, else merged.

import { byteTable } from "./byte_table.js";
import type { IdList } from "./ids.js";
import { merger } from "./merge.js";
import { pairTable } from "./pair_table.js";
import { splitterOf } from "./pattern.js";
import type { BpeModel } from "./model.js";

/** Appends the ids of the bytes from `start` to before `end`. */
export type EncodeBytes = (bytes: Uint8Array, start: number, end: number, ids: IdList) => void;

const CACHED_PIECES = 65_536;
const CACHED_LENGTH = 64; // bytes

export function bytesEncoder(model: BpeModel): EncodeBytes {
  const split = splitterOf(model.pattern);
  const encodePiece = pieceEncoder(model);
  return (bytes, start, end, ids) => {
    const pieceEnd = split(bytes, start, end);
    for (let at = start; at < end;) {
      const stop = pieceEnd(at);
      encodePiece(bytes, at, stop, ids);
      at = stop;
    }
  };
}

function pieceEncoder(model: BpeModel): EncodeBytes {
  const merge = merger(pairTable(model.merges, model.rankIsToken));
  const byteIds = byteIdsOf(model);
  const vocabulary = model.wholePieces ? vocabularyTable(model) : null;
  const known = byteTable(CACHED_PIECES);
  /** Of a known piece: its id, or minus one minus where its ids stand in `lists`, led by a count. */
  const values = new Int32Array(CACHED_PIECES);
  const lists = new Int32Array(4 * CACHED_PIECES);
  let used = 0;
  let tokens = new Int32Array(256);

  const mergePiece = (bytes: Uint8Array, start: number, end: number): number => {
    const found = vocabulary === null ? -1 : vocabulary.find(bytes, start, end);
    if (found >= 0) {
      tokens[0] = found;
      return 1;
    }
    if (end - start > tokens.length) tokens = new Int32Array(2 * (end - start));
    for (let i = start; i < end; i += 1) tokens[i - start] = byteIds[bytes[i]!]!;
    return merge(tokens, end - start);
  };
  const remember = (bytes: Uint8Array, start: number, end: number, count: number): void => {
    if (known.size === CACHED_PIECES || used + count >= lists.length) {
      known.clear();
      used = 0;
      known.find(bytes, start, end);
    }
    const index = known.add(bytes, start, end);
    if (count === 1) {
      values[index] = tokens[0]!;
      return;
    }
    values[index] = -1 - used;
    lists[used] = count;
    for (let i = 0; i < count; i += 1) lists[used + 1 + i] = tokens[i]!;
    used += count + 1;
  };
  return (bytes, start, end, ids) => {
    const isShort = end - start <= CACHED_LENGTH;
    const index = isShort ? known.find(bytes, start, end) : -1;
    if (index >= 0) {
      const value = values[index]!;
      if (value >= 0) ids.push(value);
      else ids.append(lists, -value, -value + lists[-1 - value]!);
      return;
    }
    const count = mergePiece(bytes, start, end);
    if (isShort) remember(bytes, start, end, count);
    ids.append(tokens, 0, count);
    if (tokens.length > 2 ** 20) tokens = new Int32Array(256);
  };
}

/** Ids by their bytes: the index in the table is the id. */
function vocabularyTable({ tokens, specials }: BpeModel) {
  const table = byteTable(tokens.length);
  const ids: number[] = [];
  const apart = new Set(Object.values(specials));
  tokens.forEach((token, id) => {
    if (token.length === 0 || apart.has(id) || table.find(token, 0, token.length) >= 0) return;
    table.add(token, 0, token.length);
    ids.push(id);
  });
  return {
    find(bytes: Uint8Array, start: number, end: number): number {
      const index = table.find(bytes, start, end);
      return index < 0 ? -1 : ids[index]!;
    },
  };
}

/** The id of each single byte. */
function byteIdsOf({ tokens }: BpeModel): Int32Array {
  const ids = new Int32Array(256).fill(-1);
  tokens.forEach((token, id) => {
    if (token.length === 1 && ids[token[0]!] === -1) ids[token[0]!] = id;
  });
  return ids;
}
