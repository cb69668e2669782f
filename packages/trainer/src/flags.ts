// Flags that programs share, under the names of RunConfig's fields; `nameFlags` gives them a dialect's.

export { checkpointFlags } from "./flags/checkpoints.js";
export { documentFlags } from "./flags/documents.js";
export { fineTuningFlags } from "./flags/fine_tuning.js";
export { optimizerFlags, type OptimizerDefaults } from "./flags/optimizer.js";
export { precisionFlags } from "./flags/precision.js";
