// Bytes to ids: text is split into pieces by the pattern; each is looked up in a cache, else merged.

import type { IdList } from "./id_list.js";
import { createMerge } from "./merge.js";
import type { BpeModel } from "./model.js";
import { createPairTable } from "./pair_table.js";
import { createSplitter, type PieceEnd } from "./pre_tokenizer.js";
import {
  MISSING,
  createPieceTable,
  toByteText,
  type PieceTable,
  type ByteText,
} from "./piece_table.js";
import { tokenCount } from "./token_list.js";

/** Appends the ids of the bytes from `start` to before `end`. */
export type EncodeText = (text: ByteText, start: number, end: number, ids: IdList) => void;

/** Capacity of the cache, besides pieces that are tokens. */
const CACHED_PIECES = 65_536;
/** Longer pieces are not cached. */
const MAX_CACHED_BYTES = 64;
/** Ids that are written between two checks of capacity. */
const BLOCK = 4096;

export function createEncoder(model: BpeModel): EncodeText {
  const split = createSplitter(model.preTokenizer);
  const { known, lists, learn } = createPieceCache(model);
  /** Appends the ids of cached pieces from `start` on, a block at most. Returns where it stopped. */
  const encodeKnown = (
    text: ByteText,
    [start, end]: Span,
    pieceEnd: PieceEnd,
    ids: IdList,
  ): number => {
    const table = known();
    const out = ids.reserve(BLOCK + MAX_CACHED_BYTES);
    const full = ids.length + BLOCK;
    let count = ids.length;
    let at = start;
    while (at < end && count < full) {
      const stop = pieceEnd(text.bytes, at, end);
      const found = table.find(text, at, stop);
      if (found >= 0) {
        out[count] = found;
        count += 1;
      } else if (found !== MISSING) {
        const first = -found;
        const several = lists[first - 1]!;
        for (let i = 0; i < several; i += 1) out[count + i] = lists[first + i]!;
        count += several;
      } else {
        ids.length = count;
        learn(text, at, stop, ids);
        return stop;
      }
      at = stop;
    }
    ids.length = count;
    return at;
  };
  return (text, start, end, ids) => {
    const pieces = split(text, start, end);
    const { pieceEnd } = pieces;
    for (let at = pieces.start; at < pieces.end;) {
      at = encodeKnown(pieces.text, [at, pieces.end], pieceEnd, ids);
    }
  };
}

type Span = readonly [start: number, end: number];

/**
 * The cache. The value of a piece is its id, or -1 - the offset of its ids in `lists`, where their count comes first.
 */
function createPieceCache(model: BpeModel) {
  const merge = createMerge(createPairTable(model.merges, model.rankIsToken));
  const byteIds = findByteIds(model);
  const lists = new Int32Array(4 * CACHED_PIECES);
  let used = 0;
  let tokens = new Int32Array(256);
  let known = loadPieceTable(model);

  const mergePiece = ({ bytes }: ByteText, start: number, end: number): number => {
    if (end - start > tokens.length) tokens = new Int32Array(2 * (end - start));
    for (let i = start; i < end; i += 1) tokens[i - start] = byteIds[bytes[i]!]!;
    return merge(tokens, end - start);
  };
  const remember = (text: ByteText, start: number, end: number, count: number): void => {
    const hasRoom = used + count < lists.length;
    if (!hasRoom || !known.add(text, start, end, count === 1 ? tokens[0]! : -1 - used)) {
      known = loadPieceTable(model);
      used = 0;
      return;
    }
    if (count === 1) return;
    lists[used] = count;
    for (let i = 0; i < count; i += 1) lists[used + 1 + i] = tokens[i]!;
    used += count + 1;
  };
  return {
    known: (): PieceTable => known,
    lists,
    /** Appends the ids of a piece that was just not found, and caches them. */
    learn: (text: ByteText, start: number, end: number, ids: IdList): void => {
      const count = mergePiece(text, start, end);
      if (end - start <= MAX_CACHED_BYTES) remember(text, start, end, count);
      ids.append(tokens, 0, count);
      if (tokens.length > 2 ** 20) tokens = new Int32Array(256);
    },
  };
}

/** A table with the tokens, where pieces that are tokens are not merged, and capacity for the cache. */
function loadPieceTable({ tokens, unreachable, ignoreMerges }: BpeModel): PieceTable {
  const count = ignoreMerges ? tokenCount(tokens) : 0;
  const table = createPieceTable(count + CACHED_PIECES);
  const excluded = new Set(unreachable);
  const text = toByteText(tokens.bytes);
  for (let id = 0; id < count; id += 1) {
    const [start, end] = [tokens.starts[id]!, tokens.starts[id + 1]!];
    if (start === end || excluded.has(id) || table.find(text, start, end) !== MISSING) continue;
    table.add(text, start, end, id);
  }
  return table;
}

/** The id of each single byte; -1 for none. */
export function findByteIds({ tokens, unreachable }: BpeModel): Int32Array {
  const ids = new Int32Array(256).fill(-1);
  const excluded = new Set(unreachable);
  for (let id = 0; id < tokenCount(tokens); id += 1) {
    const start = tokens.starts[id]!;
    const isFirst = ids[tokens.bytes[start]!] === -1;
    const isByte = tokens.starts[id + 1] === start + 1 && !excluded.has(id);
    if (isByte && isFirst) ids[tokens.bytes[start]!] = id;
  }
  return ids;
}
