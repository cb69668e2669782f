// What a run says of itself before its first step.

import type { World } from "@tessera/collectives";
import { peakBytes, rankMemory } from "@tessera/data-parallel";
import { activationBytes, parameterCount, type GptParams } from "@tessera/gpt";
import type { BackendName } from "@tessera/engines";
import { isAvailable } from "@tessera/kernels-native";
import type { Run, TrainingState } from "@tessera/trainer";
import { describeMemory, describeRanks, megabytes } from "@tessera/trainer/report";
import type { ChosenRun } from "./run_config.js";

interface Introduced extends ChosenRun {
  readonly backend: BackendName;
  /** That a rank of the native backend computes with. */
  readonly threads: number;
  readonly run: Run<GptParams>;
  readonly start: TrainingState;
  readonly world: World;
  /** What else the user should know. */
  readonly notes: readonly string[];
}

/** A few lines on the model, the text, the batch, the ranks and their memory. */
export function introduce(introduced: Introduced): void {
  const { backend, threads, run, start, world, notes, gpt: config } = introduced;
  const { plan, data } = run;
  const { microBatch, accumulation, dataRanks, globalBatch } = plan.batch;
  const each = backend === "native" ? `, threads of each rank: ${threads}` : "";
  const lines = [
    `model  ${(parameterCount(config) / 1e6).toFixed(2)}M parameters: ${config.layerCount} layers, ` +
      `${config.hiddenSize} wide, ${config.headCount} heads, ${config.vocabularySize} ids`,
    data.description!,
    `batch  ${microBatch} samples x ${accumulation} accumulated x ${dataRanks} ranks = ` +
      `${globalBatch}; ${plan.intervals.steps} steps`,
    `memory ${memoryLine(introduced)}`,
    `ranks  ${describeRanks(world)}, by ${world.engine}; on ${backend}${each}`,
    ...run.notes,
    ...notes,
  ];
  if (backend === "wasm" && !isAvailable()) {
    lines.push("native engine: not built, so the slower wasm computes; npm run setup builds it");
  }
  if (start.step > 0) lines.push(`resume from step ${start.step}`);
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** What a rank's tensors are expected to take, by kind. */
function memoryLine({ gpt: config, config: { parallel, precision }, run: { plan } }: Introduced) {
  const { model, batch, evalBatch, validation, train, optimizer } = plan;
  const slots = optimizer.slots.length;
  const expected = rankMemory(model.spec, {
    stage: parallel?.zeroStage ?? 0,
    ranks: batch.dataRanks,
    slots,
  });
  const rows = Math.max(batch.microBatch, validation === null ? 0 : evalBatch);
  const bytes = precision?.storage === "fp32" ? 4 : 2;
  const activations = activationBytes(config, { rows, time: train.length, bytes });
  const { transient, ...held } = expected;
  const kinds = { ...held, "expected activations": activations, "in passing": transient };
  const most = peakBytes(expected, activations, batch.accumulation);
  return `per rank: ${describeMemory(kinds)}, at most ${megabytes(most)} at once`;
}
