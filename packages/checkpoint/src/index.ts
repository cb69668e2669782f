export {
  latestCheckpoint,
  loadCheckpoint,
  readProgress,
  removeCheckpoints,
  saveCheckpoint,
  type Checkpoint,
  type Progress,
} from "./checkpoint.js";
export { NAMES as onnxNames } from "./onnx/gpt_graph.js";
export { findOnnx, writeOnnx, type OnnxFiles, type WriteOnnxOptions } from "./onnx/onnx_files.js";
export { onnxPrecisions, type OnnxPrecision } from "./onnx/onnx_model.js";
export { readModel, readModelConfig, writeModel } from "./model_files.js";
export {
  openSafetensors,
  writeSafetensors,
  type SafetensorsFile,
  type Written,
} from "./safetensors.js";
