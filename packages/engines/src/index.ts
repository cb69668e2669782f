export { backendNames, chooseBackend, defaultBackend, type BackendName } from "./choose_backend.js";
export { explainFallback } from "./native.js";
export type { Engine } from "./engine.js";
