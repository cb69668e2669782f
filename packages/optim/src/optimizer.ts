// An optimizer is a pair: what it remembers of each parameter, and how a step uses that.

import { zerosLike, type Tensor } from "@tensorflow/tfjs-core";
import { adamStep, call, sgdStep, type AdamAttributes, type SgdAttributes } from "@tessera/kernels";
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

/** What one parameter's step leaves behind. */
interface Stepped {
  readonly param: Tensor;
  readonly slots: readonly Tensor[];
}

type LeafStep = (
  tensors: Stepped & { readonly gradient: Tensor },
  update: Update,
  decays: boolean,
) => Stepped;

/** Makes an optimizer of trees from a step of one parameter. */
function overTrees(slots: readonly string[], decays: Decays, leafStep: LeafStep): Optimizer {
  return {
    slots,
    step(params, gradients, state, update) {
      const gradientAt = new Map(leaves<Tensor>(gradients));
      const slotsAt = slots.map((slot) => new Map(leaves<Tensor>(state[slot]!)));
      const made = new Map<string, Stepped>();
      for (const [path, param] of leaves<Tensor>(params)) {
        const gradient = gradientAt.get(path)!;
        const kept = slotsAt.map((at) => at.get(path)!);
        made.set(path, leafStep({ param, gradient, slots: kept }, update, decays(path)));
        gradient.dispose();
      }
      const treeOf = (pick: (stepped: Stepped) => Tensor) =>
        mapTensors(params, (_spent, path) => pick(made.get(path)!));
      return {
        params: treeOf(({ param }) => param),
        state: Object.fromEntries(slots.map((slot, i) => [slot, treeOf((one) => one.slots[i]!)])),
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
  return overTrees(["mean", "square"], decays, ({ param, gradient, slots }, update, decayed) => {
    const [mean, square] = slots as [Tensor, Tensor];
    const attributes: AdamAttributes = {
      ...options,
      weightDecay: decayed ? options.weightDecay : 0,
      learningRate: update.learningRate,
      step: update.step,
    };
    const inputs = { param, gradient, mean, square, scale: update.scale };
    const next = call(adamStep, inputs, attributes);
    return { param: next.param, slots: [next.mean, next.square] };
  });
}

export interface SgdOptions {
  readonly momentum: number;
  readonly weightDecay: number;
}

export function sgd(options: SgdOptions, decays: Decays): Optimizer {
  return overTrees(["velocity"], decays, ({ param, gradient, slots }, update, decayed) => {
    const attributes: SgdAttributes = {
      momentum: options.momentum,
      weightDecay: decayed ? options.weightDecay : 0,
      learningRate: update.learningRate,
    };
    const inputs = { param, gradient, velocity: slots[0]!, scale: update.scale };
    const next = call(sgdStep, inputs, attributes);
    return { param: next.param, slots: [next.velocity] };
  });
}
