export { NativeBackend } from "./backend.js";
export { isAvailable, loadNative } from "./register.js";
export { type Storage } from "./storage.js";
export { threadCount, type ThreadEnvironment } from "./threads.js";
