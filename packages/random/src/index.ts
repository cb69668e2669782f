export { streamKey, type Key } from "./key.js";
export { fillNormal, fillUniform, philox, uniformAt } from "./philox.js";
export { permutation } from "./permutation.js";
export { contiguousRuns, fullSlice, type Run, type TensorSlice } from "./tensor_slice.js";
