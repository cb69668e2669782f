// An ONNX model being put together: nodes, inputs and outputs, small constants, and initializers whose
// bytes lie in a file beside the model. The numbers of fields are those of onnx.proto3.

import { halfOf } from "../dtype.js";
import { bytes, float, joined, message, text, whole, type Encoded } from "./protobuf.js";

export type ElementType = "float" | "float16" | "int64";

const TYPE_NUMBERS: Readonly<Record<ElementType, number>> = { float: 1, int64: 7, float16: 10 };

/** Kinds of attributes. */
const FLOAT = 1;
const INT = 2;
const STRING = 3;
const INTS = 7;

/** Where an initializer's bytes are: not in the model. */
const EXTERNAL = 1;

/** Opset 23, the first with RotaryEmbedding and RMSNormalization, came with IR version 11. */
const IR_VERSION = 11;
const OPSET = 23;

/** A whole number is an INT attribute: fractions are given as `{ float }`. */
export type AttributeValue = number | string | readonly number[] | { readonly float: number };

export type NodeAttributes = Readonly<Record<string, AttributeValue>>;

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
  /** A node with one output, which gets the name that is returned. */
  node(
    operator: string,
    inputs: readonly string[],
    name: string,
    attributes?: NodeAttributes,
  ): string;
  /** A node with several outputs. */
  several(
    operator: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: NodeAttributes,
  ): void;
  /** Whole numbers that stand in the model itself: a list, or one that has no shape. */
  constant(name: string, values: readonly bigint[], isScalar?: boolean): string;
  /** A number without a shape. */
  number(name: string, type: "float" | "float16", value: number): string;
  /** A tensor whose bytes lie in the data file. */
  external(name: string, type: ElementType, shape: readonly number[], at: Placed): string;
  /** The whole model; its external tensors lie in `dataFile`, beside it. */
  finish(dataFile: string): Uint8Array;
}

function attributeOf(name: string, value: AttributeValue): Encoded {
  const named = text(1, name);
  if (typeof value === "string") return message(5, named, text(4, value), whole(20, STRING));
  if (typeof value === "number") return message(5, named, whole(3, value), whole(20, INT));
  if ("float" in value) return message(5, named, float(2, value.float), whole(20, FLOAT));
  return message(
    5,
    named,
    value.flatMap((one) => whole(8, one)),
    whole(20, INTS),
  );
}

function valueOf(field: number, name: string, type: ElementType, shape: readonly Axis[]): Encoded {
  const axes = shape.map((axis) =>
    message(1, typeof axis === "number" ? whole(1, axis) : text(2, axis)),
  );
  const tensor = message(1, whole(1, TYPE_NUMBERS[type]), message(2, ...axes));
  return message(field, text(1, name), message(2, tensor));
}

/** The initializer `name`, with `rest` saying what it holds. */
const initializerOf = (
  name: string,
  type: ElementType,
  shape: readonly number[],
  rest: Encoded,
): Encoded => {
  const extents = shape.flatMap((extent) => whole(1, extent));
  return message(5, extents, whole(2, TYPE_NUMBERS[type]), text(8, name), rest);
};

const entry = (field: number, name: string, value: string): Encoded =>
  message(field, text(1, name), text(2, value));

const raw = (values: Float32Array | Uint16Array | BigInt64Array): Encoded =>
  bytes(9, new Uint8Array(values.buffer));

/** Starts an empty graph called `name`. */
export function graphBuilder(name: string): GraphBuilder {
  const nodes: Encoded[] = [];
  const inputs: Encoded[] = [];
  const outputs: Encoded[] = [];
  const initializers: ((dataFile: string) => Encoded)[] = [];
  const several: GraphBuilder["several"] = (operator, from, to, attributes) => {
    const rest = Object.entries(attributes).flatMap(([key, value]) => attributeOf(key, value));
    const named = [text(3, `${operator}:${to[0]!}`), text(4, operator)];
    const [ins, outs] = [from.map((one) => text(1, one)), to.map((one) => text(2, one))];
    nodes.push(message(1, ...ins, ...outs, ...named, rest));
  };
  return {
    input(inputName, type, shape) {
      inputs.push(valueOf(11, inputName, type, shape));
      return inputName;
    },
    output: (outputName, type, shape) => void outputs.push(valueOf(12, outputName, type, shape)),
    node(operator, from, to, attributes = {}) {
      several(operator, from, [to], attributes);
      return to;
    },
    several,
    constant(constantName, values, isScalar = false) {
      const shape = isScalar ? [] : [values.length];
      const held = raw(BigInt64Array.from(values));
      initializers.push(() => initializerOf(constantName, "int64", shape, held));
      return constantName;
    },
    number(numberName, type, value) {
      const held = raw(type === "float" ? Float32Array.of(value) : Uint16Array.of(halfOf(value)));
      initializers.push(() => initializerOf(numberName, type, [], held));
      return numberName;
    },
    external(tensorName, type, shape, { offset, length }) {
      const place = [entry(13, "offset", String(offset)), entry(13, "length", String(length))];
      initializers.push((dataFile) => {
        const rest = [...entry(13, "location", dataFile), ...place.flat(), ...whole(14, EXTERNAL)];
        return initializerOf(tensorName, type, shape, rest);
      });
      return tensorName;
    },
    finish(dataFile) {
      const made = initializers.map((make) => make(dataFile));
      const graph = message(7, ...nodes, text(2, name), ...made, ...inputs, ...outputs);
      const opset = message(8, text(1, ""), whole(2, OPSET));
      return joined(whole(1, IR_VERSION), text(2, "tessera"), graph, opset);
    },
  };
}
