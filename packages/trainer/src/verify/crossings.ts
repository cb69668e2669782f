// Which boundaries between ranks a tensor has crossed once it is computed: where to look for a fault.

import { dividesEvenly } from "@tessera/mesh";
import { leafAt, type ParamSpec, type TreeOf } from "@tessera/params";
import type { ResolvedParallel } from "../parallel_config.js";
import type { Difference } from "./compare.js";

/** The boundaries that a reading crossed since those before it, in words. */
export function crossingsOf(
  { kind, path }: Pick<Difference, "kind" | "path">,
  parallel: ResolvedParallel,
  spec: TreeOf<ParamSpec>,
): readonly string[] {
  switch (kind) {
    case "output":
      return [...crossedInLayer(path, parallel), ...crossedStages(path, parallel, "forward")];
    case "input gradient":
    case "output gradient":
      return [...crossedInLayer(path, parallel), ...crossedStages(path, parallel, "backward")];
    case "gradient":
      return crossedByGradient(leafAt<ParamSpec>(spec, path), parallel);
    case "loss":
    case "gradient norm":
      return everyAxis(parallel);
    case "update":
      return crossedByUpdate(parallel);
  }
}

const tensorRanks = ({ tensor, sequence }: ResolvedParallel): string =>
  `${tensor} tensor-parallel ranks${sequence ? ", which shard the tokens" : ""}`;

function crossedInLayer(path: string, parallel: ResolvedParallel): string[] {
  const { data, tensor } = parallel;
  const isEnd = path === "norm" || path === "drop";
  const reductions = isEnd
    ? "the reductions of head and embedding"
    : "the reductions of its regions";
  return [
    ...(data > 1 ? [`the division of samples over ${data} data-parallel ranks`] : []),
    ...(tensor > 1 ? [`${reductions} over ${tensorRanks(parallel)}`] : []),
  ];
}

/** The message between stages that a block at the edge of its chunk waits for. */
function crossedStages(
  path: string,
  { layers, pipeline }: ResolvedParallel,
  pass: "forward" | "backward",
): string[] {
  const block = Number(/^blocks\.(\d+)$/.exec(path)?.[1] ?? NaN);
  const chunk = layers.findIndex(({ start, size }) =>
    pass === "forward" ? block === start : block === start + size - 1,
  );
  const from = pass === "forward" ? chunk - 1 : chunk + 1;
  if (chunk < 0 || from < 0 || from >= layers.length || pipeline === 1) return [];
  return [`the message of stage ${from % pipeline} to stage ${chunk % pipeline} of the pipeline`];
}

function crossedByGradient(spec: ParamSpec | undefined, parallel: ResolvedParallel): string[] {
  const { data, zeroStage, tensor, pipeline } = parallel;
  const { partition = null, gradientCount = 1, shape = [] } = spec ?? {};
  const isSharded = partition !== null && dividesEvenly(shape[partition.dim]!, tensor);
  return [
    ...(data > 1 ? [`the sum over ${data} data-parallel ranks (ZeRO ${zeroStage})`] : []),
    ...(tensor > 1
      ? [`its ${isSharded ? "shards" : "copies, or terms,"} on ${tensorRanks(parallel)}`]
      : []),
    ...(gradientCount === 2 && pipeline > 1
      ? ["the sum of the first and the last stage, which both have it"]
      : []),
  ];
}

const everyAxis = ({ data, tensor, pipeline }: ResolvedParallel): string[] =>
  Object.entries({ "data-parallel": data, "tensor-parallel": tensor, pipeline })
    .filter(([, degree]) => degree > 1)
    .map(([name, degree]) => `its sum over ${degree} ${name} ranks`);

const crossedByUpdate = ({ data, zeroStage }: ResolvedParallel): string[] => [
  "clipping by the norm of all ranks' gradients",
  ...(data > 1 && zeroStage > 0
    ? [`the optimizer's shards on ${data} ranks (ZeRO ${zeroStage})`]
    : []),
];
