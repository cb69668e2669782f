// One stage of the axis test: a parameter of its own, and on both ends a tied one.

import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, fill, memory, setBackend, type Tensor } from "@tensorflow/tfjs-core";
import type { World } from "@tessera/collectives";
import { disposeTree, leaves, mapTree, vector, type ParamSpec, type TreeOf } from "@tessera/params";
import type { ShardIndex } from "@tessera/mesh";
import { pipelineAxis, formatSchedule } from "../index.js";

export interface AxisResult {
  /** The first element and the size of each parameter of all stages, by path. */
  readonly gathered: readonly (readonly [path: string, value: number, size: number])[];
  /** Completed gradients, of local ones that are 1 on stage 0, 10 on stage 1, and so on. */
  readonly completed: readonly (readonly [path: string, value: number])[];
  readonly replicas: Readonly<Record<string, ShardIndex>>;
  readonly schedule: string;
  readonly leaked: number;
}

/** Stage s has a parameter of s + 1 elements; both ends also have a tied table. */
const createSpecs = (stages: number): TreeOf<ParamSpec>[] =>
  Array.from({ length: stages }, (_, stage) => ({
    ...((stage === 0 || stage === stages - 1) && {
      table: { ...vector([2], null, 0), isTiedAcrossStages: true },
    }),
    layers: { [stage]: vector([stage + 1], null, 0) },
  }));

export async function main(world: World): Promise<AxisResult> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  const before = memory().numTensors;
  const { all: group, rank, size } = world;
  const isEnd = rank === 0 || rank === size - 1;
  const endsGroup = isEnd ? world.group("both ends", [0, size - 1]) : null;
  const specs = createSpecs(size);
  const axis = pipelineAxis({ kind: "1f1b", chunks: 1, group, endsGroup, specs });
  const fillParams = (valueOf: (path: string) => number) =>
    mapTree(specs[rank]!, ({ shape }: ParamSpec, path): Tensor => fill([...shape], valueOf(path)));
  const completed = axis.completeGradients(fillParams(() => 10 ** rank));
  const gathered = axis.gather(fillParams((path) => (path === "table" ? 7 : 100 + rank)));
  const result = {
    gathered: leaves<Tensor>(gathered).map(
      ([path, x]) => [path, x.dataSync()[0]!, x.size] as const,
    ),
    completed: leaves<Tensor>(completed).map(([path, x]) => [path, x.dataSync()[0]!] as const),
    replicas: Object.fromEntries(leaves(specs[rank]!).map(([path]) => [path, axis.replica(path)])),
    schedule: formatSchedule(axis.schedule(3)),
  };
  for (const tree of [completed, gathered]) disposeTree(tree);
  return { ...result, leaked: memory().numTensors - before };
}
