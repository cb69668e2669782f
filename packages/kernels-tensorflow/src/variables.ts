// Variables: tensors that an optimizer updates where they are. Tensors that took their place would wander through memory
// from step to step, and leave gaps between themselves that activations do not fit into.

import type { Shape } from "@tessera/kernels/contract";
import type { Binding } from "./binding.js";
import { HANDLE, type Emit, type ProgramInput, type Programs } from "./programs.js";

/** Under this name each variable is a new one. */
const ANONYMOUS = "cd2c89b7-88b7-44c8-ad83-06c2a9158347";

/** A variable of TensorFlow: the slot of its handle, and what it holds. */
export interface Variable {
  readonly slot: number;
  readonly type: number;
  readonly shape: Shape;
}

/** Makes, reads and destroys variables. */
export class Variables {
  constructor(
    private readonly binding: Binding,
    private readonly programs: Programs,
  ) {}

  /** A variable whose value is the tensor in `slot`: the same memory, until either changes. */
  make(type: number, shape: Shape, slot: number): Variable {
    const made = Int32Array.of(-1);
    this.run(`variable${type},${shape.join()}`, [], made, (graph) => [
      graph.node(
        "VarHandleOp",
        [],
        [
          ["dtype", "type", type],
          ["shape", "shape", shape],
          ["shared_name", "text", ANONYMOUS],
        ],
      ),
    ]);
    const assigned = [HANDLE, { type, shape, seen: shape }];
    this.run("assign", assigned, Int32Array.of(made[0]!, slot), (graph, [to, value]) => {
      graph.assign(to!, value!);
      return [];
    });
    return { slot: made[0]!, type, shape };
  }

  /** Slots with their values: the same memory, until a variable changes. */
  read(variables: readonly Variable[]): Int32Array {
    const slots = Int32Array.from(variables, ({ slot }) => slot);
    const key = `read${variables.map(({ type }) => type).join()}`;
    const handles = variables.map(() => HANDLE);
    const emit: Emit = (graph, given) =>
      given.map((one, i) => graph.read(one!, variables[i]!.type));
    this.run(key, handles, slots, emit, false);
    return slots;
  }

  destroy({ slot }: Variable): void {
    this.run("destroy", [HANDLE], Int32Array.of(slot), (graph, [from]) => {
      graph.nodeOutputs("DestroyResourceOp", [from!], []);
      return [];
    });
    this.binding.release(slot);
  }

  private run(
    key: string,
    inputs: readonly ProgramInput[],
    slots: Int32Array,
    emit: Emit,
    isCompiled = true,
  ): void {
    const { number } = this.programs.find(key, inputs, emit, isCompiled);
    this.binding.run(number, slots, inputs.length);
  }
}
