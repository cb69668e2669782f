export type { Limits } from "./addon.js";
export { CpuBackend, isAvailable, loadNative, measureLimits, whyUnavailable } from "./backend.js";
export { threadCount, type ThreadEnvironment } from "./threads.js";
