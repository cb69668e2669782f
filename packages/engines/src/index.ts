export { backendNames, chooseBackend, defaultBackend, type BackendName } from "./choose_backend.js";
export type { Engine } from "./engine.js";
