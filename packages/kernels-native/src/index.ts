export { NativeBackend } from "./backend.js";
export { isAvailable, loadNative } from "./register.js";
export { threadCount, type ThreadEnvironment } from "./threads.js";
