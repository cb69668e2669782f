export { exportModel } from "./export_model.js";
export { onnxNames } from "./onnx/names.js";
export { findOnnx, writeOnnxSteps, type OnnxFiles } from "./onnx/onnx_files.js";
export { onnxPrecisions, type OnnxPrecision } from "./onnx/onnx_model.js";
export { whyNotLoadable } from "./hugging_face/families.js";
export { openModel, type OpenModel } from "./hugging_face/open_model.js";
export {
  writeConfig,
  writeModelSteps,
  type ValuesAt,
  type WriteModelOptions,
  type WriteProgress,
} from "./hugging_face/write_model.js";
export { readModel, readModelConfig, readOpenModel, writeModel } from "./model_files.js";
export { openSafetensors, type SafetensorsFile } from "./safetensors.js";
export { writeSafetensors, type TensorToWrite } from "./safetensors_writer.js";
export { findCheckpoint, isCheckpointOf } from "./sharded/find_checkpoint.js";
export { checkpointBefore, latestCheckpoint, locate, removeCheckpoints } from "./sharded/folder.js";
export { type CheckpointMetadata, type TrainingProgress } from "./sharded/index_format.js";
export { readProgress } from "./sharded/read_index.js";
export { openCheckpoint, slotName, WEIGHTS, type Checkpoint } from "./sharded/open_checkpoint.js";
export {
  openWriter,
  type SaveResult,
  type TensorSource,
  type CheckpointWriter,
} from "./sharded/writer.js";
