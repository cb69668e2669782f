export { CpuBackend, isAvailable, loadNative } from "./backend.js";
export { threadCount, type ThreadEnvironment } from "./threads.js";
