// `@tessera/kernels/memory`: how a backend stores elements, where they lie, what products of them compute in, how much
// memory kernels work with, and calls that are made again in the same memory.

export {
  bf16ProductsBackend,
  type Bf16Products,
  type Bf16ProductsBackend,
} from "./bf16_products.js";
export { captureBackend, type Captured, type CaptureBackend } from "./capture.js";
export { crossEntropyWorkspaceBytes, exponentialBytes, type HeadSizes } from "./cross_entropy.js";
export { hostMemory, type HostMemory } from "./host_memory.js";
export {
  dtypeOf,
  isFloatStorage,
  storageBytes,
  storageOf,
  storageOfDtype,
  STORAGES,
  supportsStorage,
  type FloatStorage,
  type Storage,
  type StorageBackend,
  type WeightStorage,
} from "./storage.js";
export { MAX_SLICE_LOGIT_BYTES } from "./vocabulary_slice.js";
