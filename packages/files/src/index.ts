export {
  createFileAtomic,
  stageFolder,
  syncFolder,
  writeFileAtomic,
  type AtomicFile,
  type StagedFolder,
} from "./atomic.js";
export { makeFolder } from "./folder.js";
export { appendText, appendWhole, openToAppend } from "./append.js";
export { readFully, writeFully, type OpenFile } from "./bytes.js";
export { hasHeartbeat, takeLock, touchLock, type FileLock } from "./lock.js";
export { readHolder, type LockHolder } from "./lock_holder.js";
export { isRunning, thisProcess, type ProcessIdentity } from "./process_identity.js";
export { removeLeftovers } from "./leftovers.js";
export { isOwnDescriptor, openFile, readBytes } from "./open.js";
export { parseJson, readJson, readText } from "./read.js";
export { reasonOf, writeError } from "./reason.js";
export { statPath } from "./stat.js";
