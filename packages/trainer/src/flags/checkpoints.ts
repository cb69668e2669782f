import { number, toggle } from "@tessera/config";

/** How checkpoints are kept and written. */
export const checkpointFlags = {
  keep: number("checkpoints that stay, the latest ones; 0 for all", { min: 0, whole: true }, 0),
  async: toggle(
    "training goes on while a copy of its state is written, which takes that memory; else it waits",
    true,
  ),
};
