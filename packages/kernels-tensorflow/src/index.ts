export { TensorFlowBackend } from "./backend.js";
export {
  describeTensorFlow,
  loadTensorFlow,
  seesGpu,
  whyUnavailable,
  type TensorFlowFacts,
} from "./load.js";
export { BACKEND } from "./register.js";
export type { Emit } from "./programs.js";
