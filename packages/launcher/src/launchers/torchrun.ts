import type { Launcher } from "./launcher.js";

export const torchrun: Launcher = {
  name: "torchrun",
  rank: "RANK",
  size: "WORLD_SIZE",
  localRank: ["LOCAL_RANK"],
  localSize: ["LOCAL_WORLD_SIZE"],
};
