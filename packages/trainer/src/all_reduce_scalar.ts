// Plain numbers over ranks. Called by all of them.

import { scalar } from "@tensorflow/tfjs-core";
import type { ReduceOp } from "@tessera/collectives";
import type { TrainingPlan } from "./plan.js";

export type Axes = Pick<TrainingPlan, "dataParallel" | "tensor" | "pipeline">;

/** The groups of a rank along the axes of the run. */
const groupsOf = ({ dataParallel, tensor, pipeline }: Axes) => ({
  data: dataParallel.group,
  tensor: tensor.group,
  pipeline: pipeline.group,
});

export type AxisName = keyof ReturnType<typeof groupsOf>;

/** The sum, or another reduction, of every rank's `value` over some axes, in fp32. */
export function allReduceScalar(
  axes: Axes,
  names: readonly AxisName[],
  value: number,
  op: ReduceOp = "sum",
): number {
  return names.reduce((own, name) => {
    const group = groupsOf(axes)[name];
    if (group.size === 1) return own;
    const x = scalar(own);
    const reduced = group.allReduce(x, op).wait();
    const result = reduced.dataSync()[0]!;
    x.dispose();
    reduced.dispose();
    return result;
  }, value);
}

/** Whether `here` holds on any rank. Called by all of them. */
export const anyRank = (axes: Axes, here: boolean): boolean =>
  allReduceScalar(axes, ["data", "tensor", "pipeline"], here ? 1 : 0, "max") > 0;

/** Whether this rank is the one that speaks and writes. */
export const isFirstRank = (axes: Axes): boolean =>
  Object.values(groupsOf(axes)).every(({ rank }) => rank === 0);
