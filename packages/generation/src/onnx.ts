// Where an ONNX model computes.

export { onnxDevices, type OnnxDevice } from "./onnx_devices.js";
export type { OnnxEngine } from "./onnx_engine.js";
