// What a run says of itself before its first step.

import type { World } from "@tessera/collectives";
import { peakBytes, rankMemory } from "@tessera/data-parallel";
import {
  activationBytes,
  parameterCount,
  recomputedActivationBytes,
  type GptParams,
} from "@tessera/gpt";
import { describeBackend, explainFallback, type BackendName } from "@tessera/engines";
import type { Environment } from "@tessera/launcher";
import type { Run, TrainingState } from "@tessera/trainer";
import { describeMemory, describeRanks, formatBytes } from "@tessera/trainer/report";
import { describeStart } from "./choose_model.js";
import type { Flags } from "./flags.js";
import type { ChosenRun } from "./run_config.js";

interface Introduced extends ChosenRun {
  readonly backend: BackendName;
  /** What the rank was bound to. */
  readonly environment: Environment;
  readonly flags: Flags;
  readonly run: Run<GptParams>;
  readonly start: TrainingState;
  readonly world: World;
  /** What else the user should know. */
  readonly notes: readonly string[];
}

/** A few lines on the model, the text, the batch, the ranks and their memory. */
export function introduce(introduced: Introduced): void {
  const { backend, environment, flags, run, start, world, notes, gpt: config } = introduced;
  const { plan, data } = run;
  const { microBatch, accumulation, dataRanks, globalBatch } = plan.batch;
  const lines = [
    `model  ${(parameterCount(config) / 1e6).toFixed(2)}M parameters: ${config.layerCount} layers, ` +
      `${config.hiddenSize} wide, ${config.headCount} heads, ${config.vocabularySize} ids`,
    data.description!,
    `batch  ${microBatch} samples x ${accumulation} accumulated x ${dataRanks} ranks = ` +
      `${globalBatch}; ${plan.intervals.steps} steps`,
    `memory ${memoryLine(introduced)}`,
    `ranks  ${describeRanks(world)}, by ${world.engine}; on ${describeBackend(backend, environment)}`,
    ...run.notes,
    ...notes,
    ...explainFallback(backend),
    describeStart(flags, run.config.resume, start.step),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** What a rank's tensors are expected to take, by kind. */
function memoryLine({ gpt: config, config: run, run: { plan } }: Introduced) {
  const { parallel, precision, recompute } = run;
  const { model, batch, evalBatch, validation, train, optimizer } = plan;
  const slots = optimizer.slots.length;
  const expected = rankMemory(model.spec, {
    stage: parallel?.zeroStage ?? 0,
    ...(parallel?.sumOrder && { sumOrder: parallel.sumOrder }),
    ranks: batch.dataRanks,
    accumulation: batch.accumulation,
    slots,
  });
  const rows = Math.max(batch.microBatch, validation === null ? 0 : evalBatch);
  const bytes: 2 | 4 = precision?.storage === "fp32" ? 4 : 2;
  const micro = { rows, time: train.length, bytes };
  const options = recompute === undefined ? {} : { recompute };
  const activations =
    activationBytes(config, micro, options) + recomputedActivationBytes(config, micro, options);
  const { transient, accumulated: _within, ...held } = expected;
  const kinds = { ...held, "expected activations": activations, transient };
  const most = peakBytes(expected, activations, batch.accumulation);
  return `per rank: ${describeMemory(kinds)}, at most ${formatBytes(most)} at once`;
}
