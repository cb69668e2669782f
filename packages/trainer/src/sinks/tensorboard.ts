// Metrics as scalars in TensorBoard's event files.

import { openEventFile } from "@tessera/tensorboard";
import type { MetricSink } from "./sink.js";

/** Writes every metric but hashes, which are no quantities, under its name into an event file in `folder`, for a run that starts at `startStep`. */
export function tensorBoard(folder: string, startStep = 0): MetricSink {
  const events = openEventFile(folder, { restart: { step: startStep + 1 } });
  return {
    write: ({ step = 0, weights_hash: _, ...scalars }) => events.writeScalars(step, scalars),
    close: () => events.close(),
  };
}
