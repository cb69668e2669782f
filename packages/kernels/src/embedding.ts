// Rows of a table by token id, and their gradient, summed per id. The table may be a rank's shard of the
// vocabulary.

import {
  add,
  cast,
  gather,
  greaterEqual,
  less,
  logicalAnd,
  mul,
  reshape,
  scalar,
  scatterND,
  sub,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { expectShape, kernel, sizeOf } from "./kernel.js";

/** Which rows of the vocabulary a table has. */
export type VocabularyShard = Readonly<{
  /** The token id of the table's first row. */
  firstToken: number;
  /** Ids are below this. Those that the table has no row for give zeros, and get no gradient. */
  vocabulary: number;
}>;

/** Ids as rows of a table of `rows` [N], and which of them it has: [N, 1], or null where it has all. */
function localRows(ids: Tensor, rows: number, { firstToken, vocabulary }: VocabularyShard) {
  const flat: Tensor = reshape(ids, [-1]);
  if (rows === vocabulary) return { local: flat, mask: null };
  const local = sub<Tensor>(flat, scalar(firstToken, "int32"));
  const isHeld = logicalAnd(greaterEqual(local, 0), less(local, rows));
  return {
    local: mul<Tensor>(local, cast(isHeld, "int32")),
    mask: reshape(cast(isHeld, "float32"), [-1, 1]),
  };
}

const masked = (x: Tensor, mask: Tensor | null): Tensor => (mask === null ? x : mul(x, mask));

/** y [..., C] = the rows of table [V, C] that ids [...] (int32) name. */
export const embed = kernel<"table" | "ids", "y", VocabularyShard>({
  name: "TesseraEmbed",
  inputs: ["table", "ids"],
  outputs: ["y"],
  shapes: ({ table, ids }) => ({ y: [...ids, table[1]!] }),
  composite({ table, ids }, shard) {
    const { local, mask } = localRows(ids, table.shape[0], shard);
    return { y: reshape(masked(gather(table, local), mask), [...ids.shape, table.shape[1]!]) };
  },
});

/** dTable [rows, C]: each row is the sum of the rows of dy [..., C] whose id names it. */
export const embedGradient = kernel<"ids" | "dy", "dTable", VocabularyShard & { rows: number }>({
  name: "TesseraEmbedGradient",
  inputs: ["ids", "dy"],
  outputs: ["dTable"],
  shapes({ ids, dy }, { rows }) {
    const width = dy.at(-1) ?? 1;
    expectShape("embedGradient", "dy", dy, [...ids, width]);
    return { dTable: [rows, width] };
  },
  composite({ ids, dy }, { rows, ...shard }) {
    const width = dy.shape.at(-1) ?? 1;
    const count = sizeOf(ids.shape);
    const { local, mask } = localRows(ids, rows, shard);
    const dRows = masked(reshape(dy, [count, width]), mask);
    // scatterND adds up the rows that share an index.
    return { dTable: scatterND(reshape(local, [count, 1]), dRows, [rows, width]) };
  },
});

/** sum + `embedGradient`, whose other rows are never touched. In place where the backend can. */
export const addEmbedGradient = kernel<"sum" | "ids" | "dy", "total", VocabularyShard>({
  name: "TesseraAddEmbedGradient",
  inputs: ["sum", "ids", "dy"],
  outputs: ["total"],
  consumes: ["sum"],
  shapes({ sum, ids, dy }, shard) {
    const { dTable } = embedGradient.shapes({ ids, dy }, { ...shard, rows: sum[0]! });
    expectShape("addEmbedGradient", "sum", sum, dTable);
    return { total: sum };
  },
  composite({ sum, ids, dy }, shard) {
    const attributes = { ...shard, rows: sum.shape[0] };
    return { total: add(sum, embedGradient.composite({ ids, dy }, attributes).dTable) };
  },
});
