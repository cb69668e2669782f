// Programs by what they are a function of: an operation's name, its constants, and the types and shapes of its inputs.
// Each is written as a graph when it is first called.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Shape } from "@tessera/kernels/contract";
import { RESOURCE, type Binding } from "./binding.js";
import { Graph, type Value } from "./graph.js";

/** Writes a graph over its inputs; an input that is absent is undefined. */
export type Emit = (graph: Graph, inputs: readonly (Value | undefined)[]) => readonly Value[];

/** An input of a program: how TensorFlow has it, and how the program is to see it. */
export interface ProgramInput {
  readonly type: number;
  readonly shape: Shape;
  readonly seen: Shape;
}

/** A variable, as programs take it. */
export const HANDLE: ProgramInput = { type: RESOURCE, shape: [], seen: [] };

/** What is run, and what comes out. */
export interface Program {
  readonly number: number;
  readonly outputs: readonly { readonly type: number; readonly shape: Shape }[];
}

/** A program and what it is run on. */
export interface Call {
  /** Of the operation and its constants. */
  readonly key: string;
  readonly inputs: readonly (TensorInfo | undefined)[];
  readonly emit: Emit;
  /** Whether XLA compiles it where it is more than one operation. Default: true. */
  readonly isCompiled?: boolean;
  /** The outputs' shapes in tfjs, where TensorFlow has others of the same size. */
  readonly shapes?: readonly Shape[];
}

/** A program that updates tensors where they are. */
export interface Update {
  readonly key: string;
  readonly updated: readonly TensorInfo[];
  readonly others: readonly TensorInfo[];
  /** Writes what those that are updated become, of them and the others. */
  readonly emit: Emit;
}

/** All programs of a process. */
export class Programs {
  private readonly made = new Map<string, Program>();

  /** `compiles`: whether this TensorFlow has XLA. */
  constructor(
    private readonly binding: Binding,
    readonly compiles: boolean,
  ) {}

  /**
   * The program of this key and these inputs, written by `emit` where there is none. One of several operations is
   * compiled by XLA, which makes one pass over memory of them, unless `isCompiled` is false: products are faster as
   * they are.
   */
  find(
    key: string,
    inputs: readonly (ProgramInput | undefined)[],
    emit: Emit,
    isCompiled = true,
  ): Program {
    const full = key + inputs.map(describe).join("");
    let program = this.made.get(full);
    if (program === undefined) {
      program = this.write(inputs, emit, isCompiled);
      this.made.set(full, program);
    }
    return program;
  }

  /** The program that makes the first `count` of its inputs, which are variables, what `emit` writes for them. */
  findUpdate(key: string, inputs: readonly ProgramInput[], count: number, emit: Emit): Program {
    const variables = inputs.slice(0, count);
    const about = [...variables.map(() => HANDLE), ...inputs.slice(count)];
    return this.find(key + variables.map(describe).join(""), about, (graph, given) => {
      const before = variables.map(({ type, shape, seen }, i) => {
        const value = graph.op(
          "EnsureShape",
          [graph.read(given[i]!, type)],
          [["shape", "shape", shape]],
        );
        return graph.reshape(value, seen);
      });
      const after = emit(graph, [...before, ...given.slice(count)]);
      after.forEach((value, i) =>
        graph.assign(given[i]!, graph.reshape(value, variables[i]!.shape)),
      );
      return [];
    });
  }

  private write(
    inputs: readonly (ProgramInput | undefined)[],
    emit: Emit,
    isCompiled: boolean,
  ): Program {
    const graph = new Graph(this.binding);
    const given = inputs.map((input) => input && graph.placeholder(input.type, input.shape));
    const seen = given.map((value, i) => value && graph.reshape(value, inputs[i]!.seen));
    const outputs = emit(graph, seen);
    const about = outputs.map(({ type, shape }) => ({ type, shape }));
    const only = graph.onlyNode(outputs);
    if (only !== null) {
      const number = this.binding.prepare(only.operation, only.attributes, only.outputs);
      return { number, outputs: about };
    }
    const name = `tessera_${this.made.size}`;
    // A function's output must be a value of its own.
    const own = outputs.map((output) => graph.op("Identity", [output]));
    graph.finish(name, own);
    const compiled = this.compiles && isCompiled;
    const attributes = compiled ? ([["_XlaMustCompile", "bool", true]] as const) : [];
    return { number: this.binding.prepare(name, attributes, outputs.length), outputs: about };
  }
}

const describe = (input: ProgramInput | undefined): string =>
  input === undefined ? ";" : `;${input.type},${input.shape.join()}>${input.seen.join()}`;
