// tfjs's products of batches of matrices, plain and fused with a bias.

import { broadcast_util, util, type TensorInfo } from "@tensorflow/tfjs-core";
import { areFloats, viewAs, type Plan, type PlannedInputs, type Planner } from "./plan.js";

/** Null unless each side has one matrix per output matrix, or one for all. */
const product = (inputs: PlannedInputs, attributes: Parameters<Planner>[1]): Plan | null => {
  const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
  const transposeA = attributes["transposeA"] === true;
  const transposeB = attributes["transposeB"] === true;
  if (!areFloats(inputs) || a.shape.includes(0) || b.shape.includes(0)) return null;
  util.assert(
    a.shape.length >= 2 && b.shape.length >= 2,
    () => `matMul: [${a.shape.join()}] and [${b.shape.join()}] must have two dimensions or more`,
  );
  const [rows, inner] = transposeA ? a.shape.slice(-2).toReversed() : a.shape.slice(-2);
  const [other, columns] = transposeB ? b.shape.slice(-2).toReversed() : b.shape.slice(-2);
  util.assert(
    inner === other,
    () =>
      `matMul: inner dimensions ${inner} and ${other} of [${a.shape.join()}] and [${b.shape.join()}] differ`,
  );
  const outer = broadcast_util.assertAndGetBroadcastShape(
    a.shape.slice(0, -2),
    b.shape.slice(0, -2),
  );
  const batch = util.sizeFromShape(outer);
  const [batchA, batchB] = [a, b].map(({ shape }) => util.sizeFromShape(shape.slice(0, -2)));
  if ([batchA, batchB].some((count) => count !== 1 && count !== batch)) return null;
  return {
    inputs: {
      ...inputs,
      a: viewAs(a, [batchA!, ...a.shape.slice(-2)]),
      b: viewAs(b, [batchB!, ...b.shape.slice(-2)]),
    },
    y: { shape: [...outer, rows!, columns!], dtype: "float32" },
    viewedAs: [batch, rows!, columns!],
    attributes: { transposeA, transposeB },
  };
};

/** Natively with a bias of one row and no activation. */
const fusedProduct: Planner = (inputs, attributes) => {
  const { bias, preluActivationWeights } = inputs;
  if (bias === undefined || preluActivationWeights !== undefined) return null;
  if (attributes["activation"] !== undefined && attributes["activation"] !== "linear") return null;
  const plan = product({ a: inputs["a"]!, b: inputs["b"]! }, attributes);
  if (plan === null || bias.dtype !== "float32") return null;
  const columns = plan.y.shape.at(-1)!;
  if (bias.shape.at(-1) !== columns || util.sizeFromShape(bias.shape) !== columns) return null;
  return { ...plan, inputs: { ...plan.inputs, bias: viewAs(bias, [columns]) } };
};

export const products: Readonly<Record<string, Planner>> = {
  BatchMatMul: product,
  _FusedMatMul: fusedProduct,
};
