// Verification of a run's layout: the same numbers on all of its ranks as on one.

export { verifyRun, type Verdict, type VerifyOptions } from "./verify/verify_run.js";
export type { Fault, Phase } from "./verify/verify_storage.js";
export type { Difference, Summary } from "./verify/compare.js";
export { replayRun, type Replay } from "./replay.js";
