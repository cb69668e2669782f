export {
  backendNames,
  chooseBackend,
  defaultBackend,
  describeBackend,
  type BackendName,
} from "./choose_backend.js";
export { explainFallback } from "./native.js";
export { computesOnGpu } from "./tensorflow.js";
export { threadsOf } from "./threads.js";
export type { Engine } from "./engine.js";
