// Plain numbers over the ranks of a group. Called by all of them.

import { scalar } from "@tensorflow/tfjs-core";
import type { ProcessGroup, ReduceOp } from "@tessera/collectives";

/** The sum, or another reduction, of every rank's `value`, in fp32. */
export function overRanks(group: ProcessGroup, value: number, op: ReduceOp = "sum"): number {
  if (group.size === 1) return value;
  const own = scalar(value);
  const reduced = group.allReduce(own, op).wait();
  const result = reduced.dataSync()[0]!;
  own.dispose();
  reduced.dispose();
  return result;
}
