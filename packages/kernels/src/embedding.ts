// Rows of a table by token id, and their gradient, summed per id.

import { add, gather, reshape, scatterND, type Tensor } from "@tensorflow/tfjs-core";
import { expectShape, kernel, sizeOf } from "./kernel.js";

/** y [..., C] = the rows of table [V, C] that ids [...] (int32, 0 to V - 1) name. */
export const embed = kernel({
  name: "TesseraEmbed",
  inputs: ["table", "ids"],
  outputs: ["y"],
  shapes: ({ table, ids }) => ({ y: [...ids, table[1]!] }),
  composite({ table, ids }) {
    const rows: Tensor = gather(table, reshape(ids, [-1]));
    return { y: reshape(rows, [...ids.shape, table.shape[1]!]) };
  },
});

/** dTable [rows, C]: row i is the sum of the rows of dy [..., C] whose id is i. */
export const embedGradient = kernel<"ids" | "dy", "dTable", { rows: number }>({
  name: "TesseraEmbedGradient",
  inputs: ["ids", "dy"],
  outputs: ["dTable"],
  shapes({ ids, dy }, { rows }) {
    const width = dy.at(-1) ?? 1;
    expectShape("embedGradient", "dy", dy, [...ids, width]);
    return { dTable: [rows, width] };
  },
  composite({ ids, dy }, { rows }) {
    const width = dy.shape.at(-1) ?? 1;
    const count = sizeOf(ids.shape);
    // scatterND adds up the rows that share an index.
    return {
      dTable: scatterND(reshape(ids, [count, 1]), reshape(dy, [count, width]), [rows, width]),
    };
  },
});

/** sum + `embedGradient`, whose rows that no id names are never touched. In place where the backend can. */
export const addEmbedGradient = kernel({
  name: "TesseraAddEmbedGradient",
  inputs: ["sum", "ids", "dy"],
  outputs: ["total"],
  consumes: ["sum"],
  shapes({ sum, ids, dy }) {
    const { dTable } = embedGradient.shapes({ ids, dy }, { rows: sum[0]! });
    expectShape("addEmbedGradient", "sum", sum, dTable);
    return { total: sum };
  },
  composite({ sum, ids, dy }) {
    const { dTable } = embedGradient.composite({ ids, dy }, { rows: sum.shape[0] });
    return { total: add(sum, dTable) };
  },
});
