// What a run is, on paper: sizes, ranks, batch arithmetic, schedule and memory, from its configuration alone.

import { parameterCount, trainingFlopsPerToken } from "@tessera/gpt";
import { fullModel } from "@tessera/model";
import { leaves, type ParamSpec } from "@tessera/params";
import { createSchedules, simulate, type Timeline } from "@tessera/pipeline-parallel";
import { describeMemory } from "@tessera/trainer/report";
import { mostMemory } from "./memory.js";
import type { PretrainRun } from "./run_config.js";
import type { Vocabulary } from "./vocabulary.js";

/** Lines for people. Throws a UserError where the model cannot be sharded so. */
export function describe(run: PretrainRun, vocabulary: Vocabulary): string[] {
  const most = mostMemory(run, timelineOf(run).peakInFlight);
  return [
    modelLine(run, vocabulary),
    ...trainedLines(run),
    ranksLine(run),
    stagesLine(run),
    batchLine(run),
    rateLine(run),
    `memory at most, of stage ${most.stage}: ${describeMemory(most.kinds)}`,
    "engine computes on processors: GPUs are not used",
  ];
}

/** 1.4B, 22M. */
function short(count: number): string {
  const [unit, name] = count >= 1e12 ? [1e12, "T"] : count >= 1e9 ? [1e9, "B"] : [1e6, "M"];
  return `${(count / unit).toPrecision(3)}${name}`;
}

/** FLOPs of forward and backward for a token, of a run that may train a part of the model alone. */
export const flopsPerToken = ({ gpt, config, sequenceLength }: PretrainRun): number =>
  trainingFlopsPerToken(gpt, sequenceLength, fullModel(config.model).spec);

function modelLine(run: PretrainRun, { name }: Vocabulary) {
  const { gpt: model, config, sequenceLength } = run;
  const { layerCount, hiddenSize, headCount, vocabularySize } = model;
  const operations = flopsPerToken(run) / 1e9;
  return (
    `model  ${short(parameterCount(model))} parameters: ${layerCount} layers, ${hiddenSize} wide, ` +
    `${headCount} heads; ${vocabularySize} ids (${name}), ${sequenceLength} tokens a sample, ` +
    `${config.precision!.storage}; ${operations.toPrecision(3)} GFLOP a token`
  );
}

/** What is trained, where that is not all of the model. */
function trainedLines({ config, gpt: { lora } }: PretrainRun): readonly string[] {
  const all = leaves<ParamSpec>(fullModel(config.model).spec);
  const trained = all.filter(([, { isFrozen }]) => isFrozen !== true);
  if (trained.length === all.length) return [];
  const count = trained.reduce((sum, [, { shape }]) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const what =
    lora === undefined ? "" : `: adapters of ${lora.targets.join(", ")}, of rank ${lora.rank}`;
  return [`trains ${short(count)} parameters${what}; the others are frozen`];
}

function ranksLine({ parallel }: PretrainRun): string {
  const { tensor, pipeline, data, sequence, zeroStage } = parallel;
  return (
    `ranks  ${tensor * pipeline * data}: tensor ${tensor} x pipeline ${pipeline} x data ${data}` +
    `${sequence ? ", tokens sharded" : ""}; ZeRO ${zeroStage}`
  );
}

function stagesLine(run: PretrainRun): string {
  const { parallel, batch } = run;
  const { pipeline: stages, schedule, chunks, layers } = parallel;
  const { accumulation: microbatches } = batch;
  if (stages === 1) return "stages 1: no pipeline";
  const { bubble, peakInFlight } = timelineOf(run);
  const sizes = layers.map(({ size }) => size);
  const isEven = sizes.every((size) => size === sizes[0]);
  const each = isEven ? `${sizes[0]} layers each` : `layers ${sizes.join(",")}`;
  return (
    `stages ${stages} x ${chunks} chunks of ${each}, ${schedule}; ${microbatches} micro-batches, ` +
    `at most ${Math.max(...peakInFlight)} in flight, bubble ${(100 * bubble).toFixed(1)}%`
  );
}

/** One step with a full batch, on paper. */
export function timelineOf({ parallel, batch }: PretrainRun): Timeline {
  const { pipeline: stages, schedule, chunks } = parallel;
  const { accumulation: microbatches } = batch;
  return simulate(createSchedules(schedule, { stages, microbatches, chunks }));
}

function batchLine({ batch, ramp, duration }: PretrainRun): string {
  const { steps, samples } = duration;
  const { microBatch, accumulation, dataRanks, globalBatch } = batch;
  return (
    `batch  ${microBatch} samples x ${accumulation} accumulated x ${dataRanks} data ranks = ` +
    `${globalBatch}${growthOf(ramp)}; ${steps} steps, ${samples} samples`
  );
}

function growthOf(ramp: PretrainRun["ramp"]): string {
  if ("stages" in ramp) {
    const stages = ramp.stages.map(({ from, size }) => `${size} from sample ${from}`);
    return `, ${stages.join(", ")}`;
  }
  const { start, increment, samples, full } = ramp;
  return start === full ? "" : `, from ${start} by ${increment} over ${samples} samples`;
}

function rateLine({ schedule, config }: PretrainRun): string {
  const { kind, peak, floor, warmup, total } = schedule;
  const unit = "samples" in config.duration ? "samples" : "steps";
  return `rate   ${kind} from ${peak} to ${floor} by ${total} ${unit}, after warm-up over ${warmup}`;
}
