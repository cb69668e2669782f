// A rank of the activations' test: what forward leaves in memory for backward.

import { enableProdMode, memory, setBackend, zeros } from "@tensorflow/tfjs-core";
import { singleGroup, type World } from "@tessera/collectives";
import {
  gptConfig,
  gptModel,
  type GptParams,
  type GptSizes,
  type ActivationOptions,
} from "@tessera/gpt";
import type { FloatStorage } from "@tessera/kernels/memory";
import { loadNative } from "@tessera/kernels-native";
import { evalContext } from "@tessera/layers";
import { disposeTree, materialize } from "@tessera/params";
import { tensorParallel, sequenceParallel } from "@tessera/tensor-parallel";

export interface Case {
  readonly sizes: GptSizes;
  readonly rows: number;
  readonly storage: FloatStorage;
  readonly keeping: ActivationOptions;
}

const allocated = (): number => (memory() as unknown as { allocated: number }).allocated;

function keptBytes(world: World, { sizes, rows, storage, keeping }: Case): number {
  const config = gptConfig(sizes);
  const group = keeping.tensorParallel === 1 ? singleGroup(world.rank) : world.all;
  const parallel = (keeping.sequenceParallel ? sequenceParallel : tensorParallel)(group);
  const { recompute } = keeping;
  const options = { tensorParallel: parallel, storage, ...(recompute && { recompute }) };
  const part = gptModel(config).chunk(options, { start: 0, size: config.layerCount });
  const params = materialize<GptParams>(part.spec, 1, parallel.weightShard);
  const ids = zeros([rows, config.maxPositions], "int32");
  const before = allocated();
  const [y, saved] = part.forward(params, ids, evalContext);
  const kept = allocated() - before;
  for (const tree of [params, { ids, y }, saved]) disposeTree(tree);
  return kept;
}

export async function main(world: World, cases: readonly Case[]): Promise<number[] | null> {
  enableProdMode();
  if (!loadNative({ ...process.env, OMP_NUM_THREADS: "1" })) return null;
  await setBackend("native");
  return cases.map((one) => keptBytes(world, one));
}
