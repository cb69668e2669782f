// What a run says of itself before its first step.

import type { World } from "@tessera/collectives";
import { parameterCount } from "@tessera/gpt";
import { isAvailable } from "@tessera/kernels-native";
import { leaves, type Tree } from "@tessera/layers";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { TrainingPlan, TrainingState } from "@tessera/trainer";
import type { BackendName } from "./backend.js";
import type { Run } from "./plan.js";

interface Introduced {
  readonly backend: BackendName;
  /** That a rank of the native backend computes with. */
  readonly threads: number;
  readonly run: Run;
  readonly start: TrainingState;
  readonly world: World;
  /** What else the user should know. */
  readonly notes: readonly string[];
}

/** A few lines on the model, the text, the batch, the ranks and their memory. */
export function introduce({ backend, threads, run, start, world, notes }: Introduced): void {
  const { plan, data } = run;
  const { config } = plan.model;
  const { microBatch, accumulation, dataRanks, globalBatch } = plan.batch;
  const each = backend === "native" ? `, threads of each: ${threads}` : "";
  const lines = [
    `model  ${(parameterCount(config) / 1e6).toFixed(2)}M parameters: ${config.layerCount} layers, ` +
      `${config.hiddenSize} wide, ${config.headCount} heads, ${config.vocabularySize} ids`,
    data.summary,
    `batch  ${microBatch} samples x ${accumulation} accumulated x ${dataRanks} ranks = ` +
      `${globalBatch}; ${plan.intervals.steps} steps on ${backend}`,
    `memory ${memoryLine(plan, start)}`,
    ...(world.size > 1 ? [`ranks  ${ranksLine(world)}, by ${world.engine}${each}`] : []),
    ...data.notes,
    ...notes,
  ];
  if (backend === "wasm" && !isAvailable()) {
    lines.push("native engine: not built, so the slower wasm computes; npm run setup builds it");
  }
  if (start.step > 0) lines.push(`resume from step ${start.step}`);
  process.stdout.write(`${lines.join("\n")}\n`);
}

const BYTES_PER_ELEMENT = 4;

const bytesOf = (tree: Tree): number =>
  leaves<Tensor>(tree).reduce((sum, [, x]) => sum + x.size * BYTES_PER_ELEMENT, 0);

/** Bytes of a rank by kind; gradients as they are at the end of a step's last backward. */
function memoryLine({ sharing }: TrainingPlan, { params, optimizer }: TrainingState): string {
  const [slot] = Object.values(optimizer);
  const weights = bytesOf(params);
  const state = bytesOf(optimizer);
  const gradients = sharing.sharesGradients && slot !== undefined ? bytesOf(slot) : weights;
  const shown = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  return `per rank: weights ${shown(weights)}, gradients ${shown(gradients)}, optimizer ${shown(state)}`;
}

/** "n0: 0 1, n1: 2 3". */
function ranksLine({ hosts }: World): string {
  const byHost = new Map<string, number[]>();
  hosts.forEach((host, rank) => byHost.set(host, [...(byHost.get(host) ?? []), rank]));
  return [...byHost].map(([host, ranks]) => `${host}: ${ranks.join(" ")}`).join(", ");
}
