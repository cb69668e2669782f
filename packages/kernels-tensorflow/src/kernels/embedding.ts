// The gradient of an embedding: rows are added up where their ids say. XLA would add them one after the other.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import { TYPES } from "../binding.js";
import type { KernelCall } from "../contract.js";
import type { Graph, Value } from "../graph.js";
import { opsOf } from "../ops.js";
import { asMatrix, seenAs } from "./products.js";

/** Ids as rows of a table of `rows`, and the rows of dy, which are zero where the table has no row for the id. */
function localRows(graph: Graph, ids: Value, dy: Value, rows: number, attributes: object) {
  const { firstToken, vocabulary } = attributes as { firstToken: number; vocabulary: number };
  const wide = graph.cast(dy, TYPES.fp32);
  if (rows === vocabulary) return { local: ids, dRows: wide };
  const { sub, mul, less, lessEqual, and } = opsOf(graph);
  const local = sub(ids, firstToken);
  const isHeld = and(lessEqual(graph.scalar(0, TYPES.int32), local), less(local, rows));
  const mask = graph.reshape(graph.cast(isHeld, TYPES.fp32), [ids.shape[0]!, 1]);
  return { local: mul(local, graph.cast(isHeld, TYPES.int32)), dRows: mul(wide, mask) };
}

const flatIds = (ids: TensorInfo): TensorInfo =>
  seenAs(ids, [ids.shape.reduce((a, b) => a * b, 1)]);

export function embedGradient({ backend, inputs, attributes, shapes }: KernelCall): TensorInfo[] {
  const rows = attributes["rows"] as number;
  return backend.run({
    key: `embedGradient${JSON.stringify(attributes)}`,
    inputs: [flatIds(inputs["ids"]!), asMatrix(inputs["dy"]!)],
    isCompiled: false,
    shapes,
    emit(graph, [ids, dy]) {
      const { local, dRows } = localRows(graph, ids!, dy!, rows, attributes);
      const sums = graph.node(
        "UnsortedSegmentSum",
        [dRows, local, graph.scalar(rows, TYPES.int32)],
        [
          ["T", "type", dRows.type],
          ["Tindices", "type", TYPES.int32],
          ["Tnumsegments", "type", TYPES.int32],
        ],
      );
      return [sums];
    },
  });
}

export function addEmbedGradient({
  backend,
  inputs,
  attributes,
  shapes,
}: KernelCall): TensorInfo[] {
  const { sum, ids, dy } = inputs;
  const made = backend.run({
    key: `addEmbedGradient${JSON.stringify(attributes)}`,
    inputs: [sum!, flatIds(ids!), asMatrix(dy!)],
    isCompiled: false,
    shapes,
    emit(graph, [before, flat, rows]) {
      const { local, dRows } = localRows(graph, flat!, rows!, before!.shape[0]!, attributes);
      const indices = graph.reshape(local, [local.shape[0]!, 1]);
      const updates = graph.cast(dRows, before!.type);
      return [
        graph.op(
          "TensorScatterAdd",
          [before!, indices, updates],
          [["Tindices", "type", TYPES.int32]],
        ),
      ];
    },
  });
  backend.consume(sum!);
  return made;
}
