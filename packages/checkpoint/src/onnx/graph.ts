// An ONNX model being put together: nodes, inputs and outputs, and initializers whose bytes lie in a file
// beside the model. The numbers of fields are those of onnx.proto3.

import { bytes, float, joined, message, text, whole, type Encoded } from "./protobuf.js";

export type ElementType = "float" | "float16" | "int64";

const TYPE_NUMBERS: Readonly<Record<ElementType, number>> = { float: 1, int64: 7, float16: 10 };

const INT = 2;
const FLOAT = 1;
const STRING = 3;
const INTS = 7;
const EXTERNAL = 1;

/** IR version 11 came with opset 23, and 12 with opset 24. */
export const IR_VERSION = 12;
export const OPSET = 24;

/** A whole number is an INT attribute: fractions are given as `{ float }`. */
export type AttributeValue = number | string | readonly number[] | { readonly float: number };

/** An axis of known extent, or its name. */
export type Axis = number | string;

/** Where an initializer's bytes lie. */
export interface Placed {
  readonly offset: number;
  readonly length: number;
}

export interface GraphBuilder {
  input(name: string, type: ElementType, shape: readonly Axis[]): string;
  output(name: string, type: ElementType, shape: readonly Axis[]): void;
  /** One node with one output, which gets the name that is returned. */
  node(
    operator: string,
    inputs: readonly string[],
    name: string,
    attributes?: Readonly<Record<string, AttributeValue>>,
  ): string;
  /** One node with several outputs. */
  split(operator: string, inputs: readonly string[], outputs: readonly string[], axis: number): void;
  /** Whole numbers that stand in the model itself; without a shape, one that has none. */
  constant(name: string, values: readonly bigint[], isScalar?: boolean): string;
  /** A tensor whose bytes lie in the data file. */
  external(name: string, type: ElementType, shape: readonly number[], at: Placed): string;
  /** The whole model; its external tensors lie in `dataFile`, beside it. */
  finish(dataFile: string, metadata: Readonly<Record<string, string>>): Uint8Array;
}

function attributeOf(name: string, value: AttributeValue): Encoded {
  const named = text(1, name);
  if (typeof value === "string") return message(5, named, text(4, value), whole(20, STRING));
  if (typeof value === "number") return message(5, named, whole(3, value), whole(20, INT));
  if ("float" in value) return message(5, named, float(2, value.float), whole(20, FLOAT));
  return message(5, named, value.flatMap((one) => whole(8, one)), whole(20, INTS));
}

function valueOf(field: number, name: string, type: ElementType, shape: readonly Axis[]): Encoded {
  const axes = shape.map((axis) =>
    message(1, typeof axis === "number" ? whole(1, axis) : text(2, axis)),
  );
  const tensor = message(1, whole(1, TYPE_NUMBERS[type]), message(2, ...axes));
  return message(field, text(1, name), message(2, tensor));
}

const entry = (field: number, name: string, value: string): Encoded =>
  message(field, text(1, name), text(2, value));

const dimsOf = (shape: readonly number[]): Encoded => shape.flatMap((extent) => whole(1, extent));

/** Starts an empty graph called `name`. */
export function graphBuilder(name: string): GraphBuilder {
  const nodes: Encoded[] = [];
  const inputs: Encoded[] = [];
  const outputs: Encoded[] = [];
  const initializers: ((dataFile: string) => Encoded)[] = [];
  const addNode = (operator: string, from: readonly string[], to: readonly string[], rest: Encoded) =>
    nodes.push(
      message(
        1,
        ...from.map((input) => text(1, input)),
        ...to.map((output) => text(2, output)),
        text(3, `${operator}:${to[0]!}`),
        text(4, operator),
        rest,
      ),
    );
  return {
    input(inputName, type, shape) {
      inputs.push(valueOf(11, inputName, type, shape));
      return inputName;
    },
    output: (outputName, type, shape) => void outputs.push(valueOf(12, outputName, type, shape)),
    node(operator, from, to, attributes = {}) {
      const rest = Object.entries(attributes).flatMap(([key, value]) => attributeOf(key, value));
      addNode(operator, from, [to], rest);
      return to;
    },
    split: (operator, from, to, axis) =>
      void addNode(operator, from, to, [
        ...attributeOf("axis", axis),
        ...attributeOf("num_outputs", to.length),
      ]),
    constant(constantName, values, isScalar = false) {
      const raw = new Uint8Array(BigInt64Array.from(values).buffer);
      const dims = isScalar ? [] : dimsOf([values.length]);
      const type = whole(2, TYPE_NUMBERS.int64);
      initializers.push(() => message(5, dims, type, text(8, constantName), bytes(9, raw)));
      return constantName;
    },
    external(tensorName, type, shape, { offset, length }) {
      initializers.push((dataFile) =>
        message(
          5,
          dimsOf(shape),
          whole(2, TYPE_NUMBERS[type]),
          text(8, tensorName),
          entry(13, "location", dataFile),
          entry(13, "offset", String(offset)),
          entry(13, "length", String(length)),
          whole(14, EXTERNAL),
        ),
      );
      return tensorName;
    },
    finish(dataFile, metadata) {
      const made = initializers.map((make) => make(dataFile));
      const graph = message(7, ...nodes, text(2, name), ...made, ...inputs, ...outputs);
      return joined(
        whole(1, IR_VERSION),
        text(2, "tessera"),
        graph,
        message(8, text(1, ""), whole(2, OPSET)),
        ...Object.entries(metadata).map(([key, value]) => entry(14, key, value)),
      );
    },
  };
}
