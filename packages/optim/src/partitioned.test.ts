// Parameter groups: each parameter by its group's optimizer, and by no other.

import { beforeAll, describe, expect, test } from "@jest/globals";
import "@tensorflow/tfjs-backend-cpu";
import {
  add,
  enableProdMode,
  memory,
  mul,
  scalar,
  setBackend,
  sign,
  sub,
  tensor,
  tidy,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import {
  disposeTree,
  leaves,
  mapTree,
  matrix,
  shardLayout,
  vector,
  type ParamSpec,
  type Tree,
} from "@tessera/params";
import {
  adam,
  checkLayouts,
  createOptimizer,
  decayOf,
  defineOptimizer,
  groupOf,
  hasSlot,
  initialState,
  optimizerKinds,
  partitioned,
  sgd,
  type Optimizer,
} from "./index.js";

beforeAll(async () => {
  enableProdMode();
  await setBackend("cpu");
});

const spec = {
  embedding: matrix([3, 2], null, 1),
  block: { weight: matrix([2, 2], { dim: 1, units: 2, unitName: "columns", rule: "even" }, 1) },
  norm: vector([2], null, 1),
};
type Params = Readonly<{ embedding: Tensor; block: { readonly weight: Tensor }; norm: Tensor }>;

const isMatrix = (path: string, { shape }: ParamSpec): boolean =>
  path.startsWith("block") && shape.length === 2;
const all = (): boolean => true;

const filled = (value: (path: string) => number): Params =>
  mapTree(spec, ({ shape }: ParamSpec, path) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return tensor(new Float32Array(size).fill(value(path)), [...shape]);
  });

const valuesOf = (tree: Tree) =>
  Object.fromEntries(leaves<Tensor>(tree).map(([path, x]) => [path, x.dataSync()[0]]));

/** Moves each parameter by its gradient's sign: needs matrices whole, as it says. */
const signs: Optimizer = defineOptimizer({
  name: "signs",
  granularity: "matrix",
  slots: ["seen"],
  update: ({ params, gradients, slots }, { learningRate }) => ({
    params: params.map((param, i) =>
      tidy(() => sub(param, mul(sign(gradients[i]!), learningRate))),
    ),
    slots: [slots[0]!.map((seen) => tidy(() => add(seen, 1)))],
  }),
});

const groups = [
  { match: isMatrix, optimizer: signs, learningRateScale: 10 },
  {
    match: (path: string) => path === "norm",
    optimizer: sgd({ momentum: 0.5, weightDecay: 0.1 }, all),
  },
  {
    match: all,
    optimizer: adam(
      { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.5, decoupled: true },
      decayOf(spec),
    ),
  },
];

describe("a partitioned optimizer", () => {
  const optimizer = partitioned(spec, groups);

  test("has its groups' slots, each for the parameters of its group alone", () => {
    expect(optimizer.slots).toEqual(["seen", "velocity", "mean", "square"]);
    expect(optimizer.granularity).toBe("matrix");
    const state = initialState(
      optimizer,
      filled(() => 1),
    );
    const paths = Object.fromEntries(
      Object.entries(state).map(([slot, tree]) => [slot, leaves(tree).map(([path]) => path)]),
    );
    expect(paths).toEqual({
      seen: ["block.weight"],
      velocity: ["norm"],
      mean: ["embedding"],
      square: ["embedding"],
    });
    expect(hasSlot(optimizer, "seen", "norm")).toBe(false);
    expect(groupOf(optimizer, "norm")).toMatchObject({ index: 1, optimizer: { name: "sgd" } });
  });

  test("updates each parameter as its group's optimizer does alone, at the group's rate", () => {
    const scale = scalar(0.5);
    const before = memory().numTensors;
    const gradients = () => filled((path) => path.length);
    const expected = groups.map(({ optimizer: alone, learningRateScale = 1 }) => {
      let params = filled(() => 1);
      let state = initialState(alone, params);
      for (let step = 1; step <= 3; step += 1) {
        const update = { step, learningRate: 0.1 * learningRateScale, scale };
        ({ params, state } = alone.step(params, gradients(), state, update));
      }
      const values = valuesOf(params);
      disposeTree({ params, ...state });
      return values;
    });
    let params = filled(() => 1);
    let state = initialState(optimizer, params);
    for (let step = 1; step <= 3; step += 1) {
      const update = { step, learningRate: 0.1, scale };
      ({ params, state } = optimizer.step(params, gradients(), state, update));
    }
    expect(valuesOf(params)).toEqual({
      embedding: expected[2]!["embedding"],
      "block.weight": expected[0]!["block.weight"],
      norm: expected[1]!["norm"],
    });
    expect(valuesOf(state["seen"]!)).toEqual({ "block.weight": 3 });
    disposeTree({ params, ...state });
    expect(memory().numTensors).toBe(before);
  });

  test("updates what there is, as on a pipeline stage that lacks a group", () => {
    const params = { norm: tensor([1, 1]) };
    const state = initialState(optimizer, params);
    const update = { step: 1, learningRate: 1, scale: scalar(1) };
    const next = optimizer.step(params, { norm: tensor([1, 1]) }, state, update);
    expect(valuesOf(next.params)["norm"]).toBeCloseTo(1 - 1.1, 6);
  });

  test("refuses a parameter that no group takes, by name", () => {
    expect(() => partitioned(spec, groups.slice(0, 2))).toThrow(UserError);
    expect(() => partitioned(spec, groups.slice(0, 2))).toThrow(
      /^embedding: no parameter group takes it/,
    );
  });
});

describe("an optimizer that needs whole matrices", () => {
  const layoutsFor = (count: number) =>
    mapTree(spec, (leaf: ParamSpec, path) => shardLayout(leaf, { index: 0, count }, path));

  test("gets them", () => {
    expect(() => checkLayouts(partitioned(spec, groups), layoutsFor(1), spec)).not.toThrow();
  });

  test("is refused a shard of one, by its name, the parameter's, and what to do", () => {
    expect(() => checkLayouts(partitioned(spec, groups), layoutsFor(2), spec)).toThrow(
      /^block\.weight: signs needs the whole matrix \[2, 2\], of which this rank's shard is \[2, 1\]; use ZeRO stage 0/,
    );
    expect(() => checkLayouts(groups[2]!.optimizer, layoutsFor(2), spec)).not.toThrow();
  });

  test("is refused buckets that mix its parameters with another group's", () => {
    const [own, other] = [layoutsFor(1).block.weight, layoutsFor(1).norm];
    const mixed = { norm: { shape: [6], ranges: [...other.ranges, ...own.ranges] } };
    expect(() => checkLayouts(partitioned(spec, groups), mixed, spec)).toThrow(
      /^block\.weight: is in one bucket with norm, which is in another parameter group/,
    );
  });
});

test.each(optimizerKinds)(
  "%s is created by its name, and decays what the specification says",
  (kind) => {
    const optimizer = createOptimizer({ kind, weightDecay: 0.5 }, spec);
    expect(optimizer.name).toBe(kind);
    const params = filled(() => 1);
    const state = initialState(optimizer, params);
    const update = { step: 1, learningRate: 0.1, scale: scalar(1) };
    const next = optimizer.step(
      params,
      filled(() => 0),
      state,
      update,
    );
    const values = valuesOf(next.params);
    expect(values["norm"]).toBe(1);
    expect(values["embedding"]).toBeLessThan(1);
  },
);
