export { CpuBackend, isAvailable, loadNative, whyUnavailable } from "./backend.js";
export { threadCount, type ThreadEnvironment } from "./threads.js";
