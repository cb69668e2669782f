export {
  createFileAtomic,
  isPartialOf,
  stageFolder,
  syncFolder,
  writeFileAtomic,
  type AtomicFile,
  type StagedFolder,
} from "./atomic.js";
export { readFully, writeFully, type OpenFile } from "./bytes.js";
export { hasHeartbeat, takeLock, touchLock, type FileLock } from "./lock.js";
export { isRunning, readHolder, type LockHolder } from "./lock_holder.js";
export { parseJson, readJson, readText } from "./read.js";
export { reasonOf, writeError } from "./reason.js";
