// A stage of the axis' test: three parameters or so, one of which both ends hold.

import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, fill, memory, setBackend, type Tensor } from "@tensorflow/tfjs-core";
import type { World } from "@tessera/collectives";
import { disposeTree, leaves, mapTree, vector, type ParamSpec, type TreeOf } from "@tessera/params";
import type { ShardIndex } from "@tessera/mesh";
import { pipelineAxis, formatSchedule } from "../index.js";

export interface Joined {
  /** The first element and the size of each parameter of all stages, by path. */
  readonly joined: readonly (readonly [path: string, value: number, size: number])[];
  /** Of gradients that are 1 on the first stage, 10 on the next, and so on. */
  readonly completed: readonly (readonly [path: string, value: number])[];
  readonly copies: Readonly<Record<string, ShardIndex>>;
  readonly schedule: string;
  readonly leaked: number;
}

/** Of stage s: a parameter of s + 1 elements; at both ends a table too. */
const specsOf = (stages: number): TreeOf<ParamSpec>[] =>
  Array.from({ length: stages }, (_, stage) => ({
    ...((stage === 0 || stage === stages - 1) && {
      table: { ...vector([2], null, 0), isTiedAcrossStages: true },
    }),
    layers: { [stage]: vector([stage + 1], null, 0) },
  }));

export async function main(world: World): Promise<Joined> {
  enableProdMode(); // no advice to install another backend
  await setBackend("cpu");
  const before = memory().numTensors;
  const { all: group, rank, size } = world;
  const isEnd = rank === 0 || rank === size - 1;
  const ends = isEnd ? world.group("both ends", [0, size - 1]) : null;
  const specs = specsOf(size);
  const axis = pipelineAxis({ kind: "1f1b", chunks: 1, group, endsGroup: ends, specs });
  const filled = (valueOf: (path: string) => number) =>
    mapTree(specs[rank]!, ({ shape }: ParamSpec, path): Tensor => fill([...shape], valueOf(path)));
  const completed = axis.completeGradients(filled(() => 10 ** rank));
  const joined = axis.gather(filled((path) => (path === "table" ? 7 : 100 + rank)));
  const said = {
    joined: leaves<Tensor>(joined).map(([path, x]) => [path, x.dataSync()[0]!, x.size] as const),
    completed: leaves<Tensor>(completed).map(([path, x]) => [path, x.dataSync()[0]!] as const),
    copies: Object.fromEntries(leaves(specs[rank]!).map(([path]) => [path, axis.replica(path)])),
    schedule: formatSchedule(axis.schedule(3)),
  };
  for (const tree of [completed, joined]) disposeTree(tree);
  return { ...said, leaked: memory().numTensors - before };
}
