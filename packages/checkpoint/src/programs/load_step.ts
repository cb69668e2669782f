// Reads the checkpoints of the tests of killed jobs.

import { UNSHARDED } from "@tessera/mesh";
import { fullSlice } from "@tessera/random";
import { openCheckpoint } from "../sharded/open_checkpoint.js";
import { elementAt } from "./sample_checkpoints.js";

/** The step of a checkpoint of `rows` rows. Throws where an element is not of that step, or cannot be read. */
export function loadStep(path: string, rows: number): number {
  const table = {
    shape: [8 * rows],
    ranges: [
      {
        path: "table",
        slice: fullSlice([rows, 8]),
        sliceOffset: 0,
        size: 8 * rows,
        tensorOffset: 0,
      },
    ],
  };
  const checkpoint = openCheckpoint(path);
  try {
    checkpoint.verify(UNSHARDED);
    const { step } = checkpoint.progress;
    const values = checkpoint.values("weights", table);
    const wrong = values.findIndex((value, index) => value !== elementAt(step, index));
    if (wrong >= 0) throw new Error(`${path}: element ${wrong} is ${values[wrong]}`);
    return step;
  } finally {
    checkpoint.close();
  }
}
