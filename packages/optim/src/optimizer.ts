// An optimizer is a pair: what it remembers of each parameter, and how a step uses that.

import { zerosLike, type Tensor } from "@tensorflow/tfjs-core";
import { adamStep, callMultiTensor, sgdStep } from "@tessera/kernels";
import { leaves, mapTensors, type ParamSpec, type Tree, type TreeOf } from "@tessera/layers";

/** What an optimizer remembers: for each of its slots, a tree shaped like the parameters. */
export type OptimizerState<P extends Tree> = Readonly<Record<string, P>>;

export interface Update {
  /** Counted from 1. */
  readonly step: number;
  readonly learningRate: number;
  /** A scalar that every gradient is multiplied by: clipping, averaging. Borrowed. */
  readonly scale: Tensor;
}

export interface Optimizer {
  /** Names of the tensors it keeps beside each parameter. */
  readonly slots: readonly string[];
  /**
   * One step. Takes ownership of everything but `update`: the arguments are used up, and may be
   * overwritten in place.
   */
  step<P extends Tree>(
    params: P,
    gradients: P,
    state: OptimizerState<P>,
    update: Update,
  ): { readonly params: P; readonly state: OptimizerState<P> };
}

/** Whether weight decay acts on the parameter at a path. */
export type Decays = (path: string) => boolean;

/** Decay for matrices, none for gains and biases, as the specification says. */
export function decayOf(spec: TreeOf<ParamSpec>): Decays {
  const decayed = new Set(
    leaves(spec)
      .filter(([, { decay }]) => decay)
      .map(([path]) => path),
  );
  return (path) => decayed.has(path);
}

/** What an optimizer starts with: zeros. */
export const initialState = <P extends Tree>(optimizer: Optimizer, params: P): OptimizerState<P> =>
  Object.fromEntries(optimizer.slots.map((slot) => [slot, mapTensors(params, zerosLike)]));

/** Tensors of all parameters, in the order of the parameters' leaves. */
interface StepTensors {
  readonly params: readonly Tensor[];
  /** A list for each slot. */
  readonly slots: readonly (readonly Tensor[])[];
}

/** Updates all parameters at once. `weightDecays`: one factor per parameter. */
type UpdateAll = (
  tensors: StepTensors & { readonly gradients: readonly Tensor[] },
  update: Update,
  weightDecay: readonly number[],
) => StepTensors;

/** Makes an optimizer of trees from a step over lists of tensors. */
function overTrees(
  slots: readonly string[],
  decayOfPath: (path: string) => number,
  updateAll: UpdateAll,
): Optimizer {
  return {
    slots,
    step(params, gradients, state, update) {
      const paths = leaves<Tensor>(params).map(([path]) => path);
      const listOf = (tree: Tree): readonly Tensor[] => {
        const byPath = new Map(leaves<Tensor>(tree));
        return paths.map((path) => byPath.get(path)!);
      };
      const tensors = {
        params: listOf(params),
        gradients: listOf(gradients),
        slots: slots.map((slot) => listOf(state[slot]!)),
      };
      const next = updateAll(tensors, update, paths.map(decayOfPath));
      for (const gradient of tensors.gradients) gradient.dispose();
      const index = new Map(paths.map((path, i) => [path, i]));
      const treeOf = (list: readonly Tensor[]) =>
        mapTensors(params, (_spent, path) => list[index.get(path)!]!);
      return {
        params: treeOf(next.params),
        state: Object.fromEntries(slots.map((slot, i) => [slot, treeOf(next.slots[i]!)])),
      };
    },
  };
}

export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** AdamW, whose decay acts on the weights; else Adam, whose decay is part of the gradient. */
  readonly decoupled: boolean;
}

export function adam(options: AdamOptions, decays: Decays): Optimizer {
  const decayOfPath = (path: string) => (decays(path) ? options.weightDecay : 0);
  return overTrees(["mean", "square"], decayOfPath, (tensors, update, weightDecay) => {
    const { params, gradients } = tensors;
    const [means, squares] = tensors.slots as [readonly Tensor[], readonly Tensor[]];
    const { learningRate, step, scale } = update;
    const inputs = { params, gradients, means, squares, scale };
    const next = callMultiTensor(adamStep, inputs, { ...options, weightDecay, learningRate, step });
    return { params: next.params, slots: [next.means, next.squares] };
  });
}

export interface SgdOptions {
  readonly momentum: number;
  readonly weightDecay: number;
}

export function sgd(options: SgdOptions, decays: Decays): Optimizer {
  const decayOfPath = (path: string) => (decays(path) ? options.weightDecay : 0);
  return overTrees(["velocity"], decayOfPath, (tensors, update, weightDecay) => {
    const { params, gradients, slots } = tensors;
    const { learningRate, scale } = update;
    const inputs = { params, gradients, velocities: slots[0]!, scale };
    const { momentum } = options;
    const next = callMultiTensor(sgdStep, inputs, { momentum, weightDecay, learningRate });
    return { params: next.params, slots: [next.velocities] };
  });
}
