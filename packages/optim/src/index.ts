export { adam, type AdamOptions } from "./adam.js";
export { checkLayouts } from "./check_layouts.js";
export { clipFactor, globalNorm } from "./clip.js";
export {
  initialLossScale,
  nextLossScale,
  type LossScale,
  type LossScaleOptions,
} from "./loss_scale.js";
export {
  createOptimizer,
  optimizerKinds,
  type OptimizerConfig,
  type OptimizerKind,
} from "./create_optimizer.js";
export {
  defineOptimizer,
  type OptimizerDefinition,
  type UpdateTensors,
} from "./define_optimizer.js";
export {
  decayOf,
  groupOf,
  hasSlot,
  initialState,
  type Decays,
  type Granularity,
  type Optimizer,
  type OptimizerGroup,
  type OptimizerState,
  type Update,
} from "./optimizer.js";
export { partitioned, type ParameterGroup } from "./partitioned.js";
export { skipFrozen } from "./skip_frozen.js";
export { sgd, type SgdOptions } from "./sgd.js";
