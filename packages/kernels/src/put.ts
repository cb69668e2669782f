// Writing into a part of a tensor: how several tensors become one.

import { concat, reshape, slice } from "@tensorflow/tfjs-core";
import { kernel, sizeOf } from "./kernel.js";

/**
 * `whole`, with the elements of `part` in place of its own from element `first` on, both in row-major
 * order. In place where the backend can.
 */
export const put = kernel<"whole" | "part", "total", { first: number }>({
  name: "TesseraPut",
  inputs: ["whole", "part"],
  outputs: ["total"],
  consumes: ["whole"],
  shapes({ whole, part }, { first }) {
    const [room, size] = [sizeOf(whole), sizeOf(part)];
    if (first < 0 || first + size > room) {
      throw new Error(`put: ${size} elements from ${first} on do not fit into ${room}`);
    }
    return { total: whole };
  },
  composite({ whole, part }, { first }) {
    const flat = reshape(whole, [-1]);
    const after = first + part.size;
    const pieces = [
      slice(flat, [0], [first]),
      reshape(part, [-1]),
      slice(flat, [after], [flat.size - after]),
    ];
    return { total: reshape(concat(pieces), whole.shape) };
  },
});
