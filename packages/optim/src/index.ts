export { clipFactor, globalNorm } from "./clip.js";
export {
  initialLossScale,
  nextLossScale,
  type LossScale,
  type LossScaleOptions,
} from "./loss_scale.js";
export {
  adam,
  decayOf,
  initialState,
  sgd,
  type AdamOptions,
  type Decays,
  type Optimizer,
  type OptimizerState,
  type SgdOptions,
  type Update,
} from "./optimizer.js";
export { learningRate, type DecayKind, type Schedule } from "./schedule.js";
