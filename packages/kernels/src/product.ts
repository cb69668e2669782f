// Matrix products: y = x W + b, and the two products of its backward.

import { add, matMul, ones, reshape, transpose } from "@tensorflow/tfjs-core";
import { asRows, expectShape, kernel, widthOf, type Shape } from "./kernel.js";

const resized = (shape: Shape, width: number): number[] => [...shape.slice(0, -1), width];

/** y [..., out] = x [..., in] weight [in, out] + bias [out]. */
export const linear = kernel({
  name: "TesseraLinear",
  inputs: ["x", "weight", "bias"],
  outputs: ["y"],
  shapes({ x, weight, bias }) {
    const [width, out] = weight as [number, number];
    expectShape("linear", "x", x, resized(x, width));
    expectShape("linear", "bias", bias, [out]);
    return { y: resized(x, out) };
  },
  composite({ x, weight, bias }) {
    const y = add(matMul(asRows(x), weight), bias);
    return { y: reshape(y, resized(x.shape, weight.shape[1]!)) };
  },
});

/** y [..., out] = x [..., in] weight, or its transpose: weight is [in, out] or [out, in]. */
export const product = kernel<"x" | "weight", "y", { transpose: boolean }>({
  name: "TesseraProduct",
  inputs: ["x", "weight"],
  outputs: ["y"],
  shapes({ x, weight }, { transpose: flipped }) {
    const [width, out] = (flipped ? weight.toReversed() : weight) as [number, number];
    expectShape("product", "x", x, resized(x, width));
    return { y: resized(x, out) };
  },
  composite({ x, weight }, { transpose: flipped }) {
    // An explicit transpose: the wasm backend's product of transposed matrices is 20 times slower.
    const right = flipped ? transpose(weight) : weight;
    const y = matMul(asRows(x), right);
    return { y: reshape(y, resized(x.shape, right.shape[1]!)) };
  },
});

/** dWeight [in, out] = x^T dy, summed over all rows of x [..., in] and dy [..., out]. */
export const weightGradient = kernel({
  name: "TesseraWeightGradient",
  inputs: ["x", "dy"],
  outputs: ["dWeight"],
  shapes({ x, dy }) {
    const width = widthOf("weightGradient", "x", x);
    const out = widthOf("weightGradient", "dy", dy);
    expectShape("weightGradient", "dy", dy, resized(x, out));
    return { dWeight: [width, out] };
  },
  composite: ({ x, dy }) => ({ dWeight: matMul(transpose(asRows(x)), asRows(dy)) }),
});

/** sum + x^T dy: `weightGradient` without a tensor for the summand. In place where the backend can. */
export const addWeightGradient = kernel({
  name: "TesseraAddWeightGradient",
  inputs: ["sum", "x", "dy"],
  outputs: ["total"],
  consumes: ["sum"],
  shapes({ sum, x, dy }) {
    const { dWeight } = weightGradient.shapes({ x, dy }, {});
    expectShape("addWeightGradient", "sum", sum, dWeight);
    return { total: dWeight };
  },
  composite: ({ sum, x, dy }) => ({
    total: add(sum, weightGradient.composite({ x, dy }, {}).dWeight),
  }),
});

/** dBias [width] = the sum of all rows of dy [..., width]. */
export const sumRows = kernel({
  name: "TesseraSumRows",
  inputs: ["dy"],
  outputs: ["dBias"],
  shapes: ({ dy }) => ({ dBias: [widthOf("sumRows", "dy", dy)] }),
  composite({ dy }) {
    const width = dy.shape.at(-1)!;
    const rows = asRows(dy);
    // As a product with ones: the wasm backend sums columns one element at a time.
    return { dBias: reshape(matMul(ones([1, rows.shape[0]]), rows), [width]) };
  },
});
