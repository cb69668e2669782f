// Metrics as scalars in TensorBoard's event files.

import { openEventFile } from "@tessera/tensorboard";
import type { MetricSink } from "./sink.js";

/** Writes every metric under its name into an event file in `folder`. */
export function tensorBoard(folder: string): MetricSink {
  const events = openEventFile(folder);
  return {
    write: ({ step = 0, ...scalars }) => events.writeScalars(step, scalars),
    close: () => events.close(),
  };
}
