export { NativeBackend } from "./backend.js";
export { backendNames, chooseBackend, defaultBackend, type BackendName } from "./choose_backend.js";
export { isAvailable, loadNative } from "./register.js";
export { threadCount, type ThreadEnvironment } from "./threads.js";
