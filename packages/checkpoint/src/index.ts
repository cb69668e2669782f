export {
  latestCheckpoint,
  loadCheckpoint,
  readProgress,
  removeCheckpoints,
  saveCheckpoint,
  type Checkpoint,
  type Progress,
} from "./checkpoint.js";
export { readModel, readModelConfig, writeModel } from "./model_files.js";
export {
  openSafetensors,
  writeSafetensors,
  type SafetensorsFile,
  type Written,
} from "./safetensors.js";
