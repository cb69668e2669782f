export type { Addon, MemoryFigures, NativeContract } from "./addon.js";
export { NativeBackend, type Inputs, type OutputInfo } from "./backend.js";
export { defined, registerNativeBackend } from "./register.js";
export { standard } from "./standard.js";
