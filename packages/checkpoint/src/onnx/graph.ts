// Builds an ONNX model: nodes, inputs and outputs, small constants, and initializers whose bytes are in a file beside
// the model. Field numbers are those of onnx.proto3.

import { toFp16Bits } from "../dtype.js";
import { bytes, float, concat, message, text, integer, type Encoded } from "./protobuf.js";

/** Dtypes of the graph. */
export type ElementType = "float" | "float16" | "int64";

const TYPE_NUMBERS: Readonly<Record<ElementType, number>> = { float: 1, int64: 7, float16: 10 };

/** AttributeProto.AttributeType. */
const FLOAT = 1;
const INT = 2;
const STRING = 3;
const INTS = 7;

/** TensorProto.DataLocation: not in the model. */
const EXTERNAL = 1;

/** Opset 23, the first with RotaryEmbedding and RMSNormalization, came with IR version 11. */
const IR_VERSION = 11;
const OPSET = 23;

/** A number is an INT attribute; FLOAT is `{ float }`. */
export type AttributeValue = number | string | readonly number[] | { readonly float: number };

export type NodeAttributes = Readonly<Record<string, AttributeValue>>;

/** A dimension: its size, or its name where it varies. */
export type Axis = number | string;

/** Bytes of the data file. */
export interface FileRange {
  readonly offset: number;
  readonly length: number;
}

/** A graph under construction; nodes are named by their outputs. */
export interface GraphBuilder {
  input(name: string, type: ElementType, shape: readonly Axis[]): string;
  output(name: string, type: ElementType, shape: readonly Axis[]): void;
  /** Adds a node with one output. Returns its name. */
  node(
    operator: string,
    inputs: readonly string[],
    name: string,
    attributes?: NodeAttributes,
  ): string;
  /** Adds a node with several outputs. */
  nodeWithOutputs(
    operator: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: NodeAttributes,
  ): void;
  /** Adds an int64 constant: a list, or a scalar. */
  constant(name: string, values: readonly bigint[], isScalar?: boolean): string;
  /** Adds a scalar. */
  number(name: string, type: "float" | "float16", value: number): string;
  /** Adds an initializer whose bytes are in the data file. */
  external(name: string, type: ElementType, shape: readonly number[], at: FileRange): string;
  /** The encoded model, whose external tensors are in `dataFile`, beside it. */
  finish(dataFile: string): Uint8Array;
}

function encodeAttribute(name: string, value: AttributeValue): Encoded {
  const named = text(1, name);
  if (typeof value === "string") return message(5, named, text(4, value), integer(20, STRING));
  if (typeof value === "number") return message(5, named, integer(3, value), integer(20, INT));
  if ("float" in value) return message(5, named, float(2, value.float), integer(20, FLOAT));
  return message(
    5,
    named,
    value.flatMap((one) => integer(8, one)),
    integer(20, INTS),
  );
}

function encodeValueInfo(
  field: number,
  name: string,
  type: ElementType,
  shape: readonly Axis[],
): Encoded {
  const axes = shape.map((axis) =>
    message(1, typeof axis === "number" ? integer(1, axis) : text(2, axis)),
  );
  const tensor = message(1, integer(1, TYPE_NUMBERS[type]), message(2, ...axes));
  return message(field, text(1, name), message(2, tensor));
}

/** The initializer `name`; `rest` has its data. */
const encodeInitializer = (
  name: string,
  type: ElementType,
  shape: readonly number[],
  rest: Encoded,
): Encoded => {
  const extents = shape.flatMap((extent) => integer(1, extent));
  return message(5, extents, integer(2, TYPE_NUMBERS[type]), text(8, name), rest);
};

const encodeEntry = (field: number, name: string, value: string): Encoded =>
  message(field, text(1, name), text(2, value));

const encodeRaw = (values: Float32Array | Uint16Array | BigInt64Array): Encoded =>
  bytes(9, new Uint8Array(values.buffer));

/** Starts a graph called `name`. */
export function graphBuilder(name: string): GraphBuilder {
  const nodes: Encoded[] = [];
  const inputs: Encoded[] = [];
  const outputs: Encoded[] = [];
  const initializers: ((dataFile: string) => Encoded)[] = [];
  const several: GraphBuilder["nodeWithOutputs"] = (operator, from, to, attributes) => {
    const rest = Object.entries(attributes).flatMap(([key, value]) => encodeAttribute(key, value));
    const named = [text(3, `${operator}:${to[0]!}`), text(4, operator)];
    const [ins, outs] = [from.map((one) => text(1, one)), to.map((one) => text(2, one))];
    nodes.push(message(1, ...ins, ...outs, ...named, rest));
  };
  return {
    input(inputName, type, shape) {
      inputs.push(encodeValueInfo(11, inputName, type, shape));
      return inputName;
    },
    output: (outputName, type, shape) =>
      void outputs.push(encodeValueInfo(12, outputName, type, shape)),
    node(operator, from, to, attributes = {}) {
      several(operator, from, [to], attributes);
      return to;
    },
    nodeWithOutputs: several,
    constant(constantName, values, isScalar = false) {
      const shape = isScalar ? [] : [values.length];
      const held = encodeRaw(BigInt64Array.from(values));
      initializers.push(() => encodeInitializer(constantName, "int64", shape, held));
      return constantName;
    },
    number(numberName, type, value) {
      const held = encodeRaw(
        type === "float" ? Float32Array.of(value) : Uint16Array.of(toFp16Bits(value)),
      );
      initializers.push(() => encodeInitializer(numberName, type, [], held));
      return numberName;
    },
    external(tensorName, type, shape, { offset, length }) {
      const place = [
        encodeEntry(13, "offset", String(offset)),
        encodeEntry(13, "length", String(length)),
      ];
      initializers.push((dataFile) => {
        const rest = [
          ...encodeEntry(13, "location", dataFile),
          ...place.flat(),
          ...integer(14, EXTERNAL),
        ];
        return encodeInitializer(tensorName, type, shape, rest);
      });
      return tensorName;
    },
    finish(dataFile) {
      const made = initializers.map((make) => make(dataFile));
      const graph = message(7, ...nodes, text(2, name), ...made, ...inputs, ...outputs);
      const opset = message(8, text(1, ""), integer(2, OPSET));
      return concat(integer(1, IR_VERSION), text(2, "tessera"), graph, opset);
    },
  };
}
