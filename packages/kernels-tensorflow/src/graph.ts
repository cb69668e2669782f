// A graph of TensorFlow's operations while it is written. TensorFlow itself infers the shapes of its values.

import type { Shape } from "@tessera/kernels/contract";
import { TYPES, type Binding, type OperationAttribute } from "./binding.js";

/** A value of a graph. */
export interface Value {
  readonly number: number;
  readonly type: number;
  readonly shape: Shape;
}

/** An operation of a graph: what it is called with. */
interface Node {
  readonly operation: string;
  readonly inputs: readonly (number | readonly number[])[];
  readonly attributes: readonly OperationAttribute[];
  readonly outputs: number;
}

type Input = Value | readonly Value[];

const isList = (input: Input): input is readonly Value[] => Array.isArray(input);

/** The graph that the binding has open. */
export class Graph {
  readonly placeholders: Value[] = [];
  private readonly nodes: Node[] = [];

  constructor(private readonly binding: Binding) {
    binding.newGraph();
  }

  /** An input of the function that the graph becomes. */
  placeholder(type: number, shape: Shape): Value {
    const attributes: OperationAttribute[] = [
      ["dtype", "type", type],
      ["shape", "shape", shape],
    ];
    const [value] = this.add("Placeholder", [], attributes);
    this.placeholders.push(value!);
    return value!;
  }

  constant(values: ArrayBufferView, type: number, shape: Shape = []): Value {
    return this.node(
      "Const",
      [],
      [
        ["dtype", "type", type],
        ["value", "tensor", values, type, shape],
      ],
    );
  }

  /** A number as a scalar of `type`: fp32 or int32. Default: fp32. */
  scalar(value: number, type: number = TYPES.fp32): Value {
    if (type === TYPES.int32) return this.constant(Int32Array.of(value), type);
    const single = this.constant(Float32Array.of(value), TYPES.fp32);
    return type === TYPES.fp32 ? single : this.cast(single, type);
  }

  /** Whole numbers as a vector, such as axes or a shape. */
  ints(values: readonly number[]): Value {
    return this.constant(Int32Array.from(values), TYPES.int32, [values.length]);
  }

  /** The outputs of an operation. */
  nodeOutputs(
    operation: string,
    inputs: readonly Input[],
    attributes: readonly OperationAttribute[],
  ): readonly Value[] {
    const numbers = inputs.map((input) =>
      isList(input) ? input.map(({ number }) => number) : input.number,
    );
    const outputs = this.add(operation, numbers, attributes);
    this.nodes.push({ operation, inputs: numbers, attributes, outputs: outputs.length });
    return outputs;
  }

  /** The first output of an operation. */
  node(
    operation: string,
    inputs: readonly Input[],
    attributes: readonly OperationAttribute[] = [],
  ): Value {
    return this.nodeOutputs(operation, inputs, attributes)[0]!;
  }

  /** An operation whose attribute `T` is the type of its first input. */
  op(
    operation: string,
    inputs: readonly Input[],
    attributes: readonly OperationAttribute[] = [],
  ): Value {
    const [first] = inputs;
    const typed = isList(first!) ? first[0]! : first!;
    return this.node(operation, inputs, [["T", "type", typed.type], ...attributes]);
  }

  cast(x: Value, type: number): Value {
    if (x.type === type) return x;
    return this.node(
      "Cast",
      [x],
      [
        ["SrcT", "type", x.type],
        ["DstT", "type", type],
        ["Truncate", "bool", false],
      ],
    );
  }

  /** The value of a variable, whose shape is not known here. */
  read(variable: Value, type: number): Value {
    return this.node("ReadVariableOp", [variable], [["dtype", "type", type]]);
  }

  assign(variable: Value, value: Value): void {
    this.nodeOutputs("AssignVariableOp", [variable, value], [["dtype", "type", value.type]]);
  }

  reshape(x: Value, shape: Shape): Value {
    if (x.shape.length === shape.length && x.shape.every((extent, i) => extent === shape[i])) {
      return x;
    }
    return this.op("Reshape", [x, this.ints(shape)], [["Tshape", "type", TYPES.int32]]);
  }

  /** Whether the graph is one operation of its inputs as they are, which needs no function. */
  onlyNode(outputs: readonly Value[]): Node | null {
    const [node] = this.nodes;
    if (this.nodes.length !== 1 || outputs.length !== node!.outputs) return null;
    const { length } = this.placeholders;
    const isPlain =
      node!.inputs.length === length &&
      node!.inputs.every((input, i) => input === this.placeholders[i]!.number) &&
      outputs.every(({ number }, i) => number === length + i);
    return isPlain ? node! : null;
  }

  /** Makes it a function, of its placeholders. */
  finish(name: string, outputs: readonly Value[]): void {
    const numbers = (values: readonly Value[]) => values.map(({ number }) => number);
    this.binding.finishGraph(name, numbers(this.placeholders), numbers(outputs));
  }

  private add(...node: Parameters<Binding["addNode"]>): readonly Value[] {
    return this.binding
      .addNode(...node)
      .map(([number, type, ...shape]) => ({ number, type, shape }));
  }
}
