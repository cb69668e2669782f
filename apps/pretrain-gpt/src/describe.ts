// What a run is, on paper: sizes, ranks, batch arithmetic, schedule and memory, from its configuration alone.

import { parameterCount, trainingFlopsPerToken } from "@tessera/gpt";
import { createSchedules, simulate, type Timeline } from "@tessera/pipeline-parallel";
import { describeMemory } from "@tessera/trainer";
import { fullBatch } from "./length.js";
import { mostMemory } from "./memory.js";
import type { RunConfig } from "./resolve.js";
import type { Vocabulary } from "./vocabulary.js";

/** Lines for people. Throws a UserError where the model cannot be shared out so. */
export function describe(config: RunConfig, vocabulary: Vocabulary): string[] {
  const most = mostMemory(config, timelineOf(config).peakInFlight);
  return [
    modelLine(config, vocabulary),
    ranksLine(config),
    stagesLine(config),
    batchLine(config),
    rateLine(config),
    `memory at most, of stage ${most.stage}: ${describeMemory(most.kinds)}`,
  ];
}

/** 1.4B, 22M. */
function short(count: number): string {
  const [unit, name] = count >= 1e12 ? [1e12, "T"] : count >= 1e9 ? [1e9, "B"] : [1e6, "M"];
  return `${(count / unit).toPrecision(3)}${name}`;
}

function modelLine({ model, sequenceLength, storage }: RunConfig, { name }: Vocabulary): string {
  const { layerCount, hiddenSize, headCount, vocabularySize } = model;
  const operations = trainingFlopsPerToken(model, sequenceLength) / 1e9;
  return (
    `model  ${short(parameterCount(model))} parameters: ${layerCount} layers, ${hiddenSize} wide, ` +
    `${headCount} heads; ${vocabularySize} ids (${name}), ${sequenceLength} tokens a sample, ` +
    `${storage}; ${operations.toPrecision(3)} GFLOP a token`
  );
}

function ranksLine({ parallel }: RunConfig): string {
  const { tensor, pipeline, data, sequence, zeroStage } = parallel;
  return (
    `ranks  ${tensor * pipeline * data}: tensor ${tensor} x pipeline ${pipeline} x data ${data}` +
    `${sequence ? ", tokens shared out" : ""}; ZeRO ${zeroStage}`
  );
}

function stagesLine(config: RunConfig): string {
  const { parallel, length } = config;
  const { pipeline: stages, schedule, chunks, layers } = parallel;
  const { accumulation: microbatches } = fullBatch(length, parallel.data);
  if (stages === 1) return "stages 1: no pipeline";
  const { bubble, peakInFlight } = timelineOf(config);
  const sizes = layers.map(({ size }) => size);
  const isEven = sizes.every((size) => size === sizes[0]);
  const each = isEven ? `${sizes[0]} layers each` : `layers ${sizes.join(",")}`;
  return (
    `stages ${stages} x ${chunks} parts of ${each}, ${schedule}; ${microbatches} micro-batches, ` +
    `at most ${Math.max(...peakInFlight)} in flight, bubble ${(100 * bubble).toFixed(1)}%`
  );
}

/** One step with a full batch, on paper. */
export function timelineOf({ parallel, length }: RunConfig): Timeline {
  const { pipeline: stages, schedule, chunks } = parallel;
  const { accumulation: microbatches } = fullBatch(length, parallel.data);
  return simulate(createSchedules(schedule, { stages, microbatches, chunks }));
}

function batchLine({ length, parallel }: RunConfig): string {
  const { ramp, steps, samples } = length;
  const { microBatch, accumulation, dataRanks, globalBatch } = fullBatch(length, parallel.data);
  const growth =
    ramp.start === ramp.full
      ? ""
      : `, from ${ramp.start} by ${ramp.increment} over ${ramp.samples} samples`;
  return (
    `batch  ${microBatch} samples x ${accumulation} accumulated x ${dataRanks} data ranks = ` +
    `${globalBatch}${growth}; ${steps} steps, ${samples} samples`
  );
}

function rateLine({ length: { schedule, unit } }: RunConfig): string {
  const { kind, peak, floor, warmup, total } = schedule;
  return `rate   ${kind} from ${peak} to ${floor} by ${total} ${unit}, after a rise over ${warmup}`;
}
