// The matrix products of a step: how many operations they are, and how fast they run on their own.

import { randomNormal, tidy } from "@tensorflow/tfjs-core";
import { call, convert, linear, product, weightGradient } from "@tessera/kernels";

/** @typedef {import("@tensorflow/tfjs-core").Tensor} Tensor */
/** @typedef {import("./profile.mjs").KernelCall} KernelCall */

/** @param {readonly number[]} shape */
const sizeOf = (shape) => shape.reduce((a, b) => a * b, 1);
/** @param {readonly number[]} shape */
const rowsOf = (shape) => sizeOf(shape.slice(0, -1));

/** @param {readonly number[]} shape */
const widthOf = (shape) => shape[shape.length - 1];

/**
 * Operations of a recorded call: those of products, of the head's products, and of attention.
 * @param {KernelCall} call
 */
export function flopsOf({ name, shapes }) {
  switch (name) {
    case "TesseraLinear":
    case "TesseraProduct":
      return 2 * rowsOf(shapes["x"]) * sizeOf(shapes["weight"]);
    case "TesseraWeightGradient":
    case "TesseraAddWeightGradient":
      return 2 * rowsOf(shapes["x"]) * widthOf(shapes["x"]) * widthOf(shapes["dy"]);
    case "TesseraCrossEntropyGradient":
      return 3 * 2 * rowsOf(shapes["x"]) * sizeOf(shapes["table"]);
    case "TesseraCausalAttention":
      return 2 * attentionProduct(shapes["query"]);
    case "TesseraCausalAttentionGradient":
      return 4 * attentionProduct(shapes["query"]);
    default:
      return 0;
  }
}

/**
 * One of the products of attention over [batch, time, heads, depth]; causal, so half of it.
 * @param {readonly number[]} query
 */
const attentionProduct = ([batch, time, heads, depth]) =>
  (2 * batch * heads * depth * time * (time + 1)) / 2;

/** @type {Map<string, Tensor>} */
const samples = new Map();

/**
 * A tensor of `shape` and `storage` with random values, created once.
 * @param {readonly number[]} shape
 * @param {import("@tessera/kernels/memory").FloatStorage} storage
 */
function sample(shape, storage) {
  const key = `${shape.join()} ${storage}`;
  const existing = samples.get(key);
  if (existing !== undefined) return existing;
  const created = tidy(() => call(convert, { x: randomNormal([...shape]) }, { storage }).y);
  samples.set(key, created);
  return created;
}

/**
 * The products of a recorded call, each as a function that runs it on samples.
 * @param {KernelCall} call
 * @returns {readonly (() => unknown)[]}
 */
function productsOf({ name, shapes, attributes, storage }) {
  /** @param {readonly number[]} shape */
  const of = (shape) => sample([rowsOf(shape), widthOf(shape)], storage);
  switch (name) {
    case "TesseraLinear": {
      const inputs = {
        x: of(shapes["x"]),
        weight: of(shapes["weight"]),
        bias: sample(shapes["bias"], "fp32"),
      };
      return [() => call(linear, inputs, {})];
    }
    case "TesseraProduct": {
      const inputs = { x: of(shapes["x"]), weight: of(shapes["weight"]) };
      const transpose = attributes["transpose"] === true;
      return [() => call(product, inputs, { transpose })];
    }
    case "TesseraWeightGradient":
    case "TesseraAddWeightGradient": {
      const inputs = { x: of(shapes["x"]), dy: of(shapes["dy"]) };
      return [() => call(weightGradient, inputs, {})];
    }
    case "TesseraCrossEntropyGradient": {
      const [x, table] = [of(shapes["x"]), of(shapes["table"])];
      const logits = sample([rowsOf(shapes["x"]), shapes["table"][0]], storage);
      return [
        () => call(product, { x, weight: table }, { transpose: true }),
        () => call(product, { x: logits, weight: table }, { transpose: false }),
        () => call(weightGradient, { x: logits, dy: x }, {}),
      ];
    }
    default:
      return [];
  }
}

/**
 * The recorded products alone, one after the other as the step ran them: a function that times them.
 * @param {readonly KernelCall[]} calls
 */
export function productsAlone(calls) {
  const products = calls.filter((one) => productsOf(one).length > 0);
  const runs = products.flatMap(productsOf);
  return {
    flops: products.reduce((sum, one) => sum + flopsOf(one), 0),
    seconds() {
      const began = performance.now();
      for (const run of runs) tidy(() => void run());
      return (performance.now() - began) / 1000;
    },
  };
}
