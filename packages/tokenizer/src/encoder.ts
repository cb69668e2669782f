// Bytes to ids: pieces by the pattern, each looked up among those that were met before, else merged.

import type { IdList } from "./ids.js";
import { merger } from "./merge.js";
import type { BpeModel } from "./model.js";
import { pairTable } from "./pair_table.js";
import { splitterOf, type PieceEnd } from "./pattern.js";
import { MISSING, pieceTable, textOf, type PieceTable, type Text } from "./piece_table.js";
import { tokenCount, type TokenList } from "./token_list.js";

/** Appends the ids of the bytes from `start` to before `end`. */
export type EncodeText = (text: Text, start: number, end: number, ids: IdList) => void;

/** Pieces that are remembered, beside those that are tokens. */
const MET_PIECES = 65_536;
const REMEMBERED_LENGTH = 64; // bytes
/** Ids that are written at once. */
const BLOCK = 4096;

export function bytesEncoder(model: BpeModel): EncodeText {
  const split = splitterOf(model.pattern);
  const { known, lists, learn } = pieceMemory(model);
  /** Appends the ids of known pieces from `start` on, a block at most; returns where it stopped. */
  const encodeKnown = (text: Text, [start, end]: Span, pieceEnd: PieceEnd, ids: IdList): number => {
    const table = known();
    const out = ids.room(BLOCK + REMEMBERED_LENGTH);
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
    const pieceEnd = split(text.bytes, start, end);
    for (let at = start; at < end;) at = encodeKnown(text, [at, end], pieceEnd, ids);
  };
}

type Span = readonly [start: number, end: number];

/**
 * What pieces are made of: an id, or minus one minus where its ids stand in `lists`, led by a count.
 */
function pieceMemory(model: BpeModel) {
  const merge = merger(pairTable(model.merges, model.rankIsToken));
  const byteIds = byteIdsOf(model.tokens);
  const lists = new Int32Array(4 * MET_PIECES);
  let used = 0;
  let tokens = new Int32Array(256);
  let known = knownPieces(model);

  const mergePiece = ({ bytes }: Text, start: number, end: number): number => {
    if (end - start > tokens.length) tokens = new Int32Array(2 * (end - start));
    for (let i = start; i < end; i += 1) tokens[i - start] = byteIds[bytes[i]!]!;
    return merge(tokens, end - start);
  };
  const remember = (text: Text, start: number, end: number, count: number): void => {
    const hasRoom = used + count < lists.length;
    if (!hasRoom || !known.add(text, start, end, count === 1 ? tokens[0]! : -1 - used)) {
      known = knownPieces(model);
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
    /** Appends the ids of a piece that was just not found. */
    learn: (text: Text, start: number, end: number, ids: IdList): void => {
      const count = mergePiece(text, start, end);
      if (end - start <= REMEMBERED_LENGTH) remember(text, start, end, count);
      ids.append(tokens, 0, count);
      if (tokens.length > 2 ** 20) tokens = new Int32Array(256);
    },
  };
}

/** The ids of tokens, where a piece that is one is not merged; and room for more pieces. */
function knownPieces({ tokens, specials, wholePieces }: BpeModel): PieceTable {
  const count = wholePieces ? tokenCount(tokens) : 0;
  const table = pieceTable(count + MET_PIECES);
  const apart = new Set(Object.values(specials));
  const text = textOf(tokens.bytes);
  for (let id = 0; id < count; id += 1) {
    const [start, end] = [tokens.starts[id]!, tokens.starts[id + 1]!];
    if (start === end || apart.has(id) || table.find(text, start, end) !== MISSING) continue;
    table.add(text, start, end, id);
  }
  return table;
}

/** The id of each single byte. */
function byteIdsOf(tokens: TokenList): Int32Array {
  const ids = new Int32Array(256).fill(-1);
  for (let id = 0; id < tokenCount(tokens); id += 1) {
    const start = tokens.starts[id]!;
    const isFirst = ids[tokens.bytes[start]!] === -1;
    if (tokens.starts[id + 1] === start + 1 && isFirst) ids[tokens.bytes[start]!] = id;
  }
  return ids;
}
