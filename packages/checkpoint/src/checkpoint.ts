// A checkpoint: a folder with the model in Hugging Face's layout, and beside it what training needs
// to go on as if it had not stopped. It becomes visible by one rename, so it is whole or not there.

import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { UserError } from "@tessera/config";
import type { GptConfig, GptParams } from "@tessera/gpt";
import { leaves, mapTensors } from "@tessera/layers";
import type { OptimizerState } from "@tessera/optim";
import * as v from "valibot";
import { fingerprint } from "./fingerprint.js";
import { readModel, readModelConfig, writeModel } from "./model_files.js";
import { openSafetensors, writeSafetensors, type SafetensorsFile } from "./safetensors.js";

const STATE = "trainer_state.json";
const OPTIMIZER = "optimizer.safetensors";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const Progress = v.object({
  /** Optimizer steps taken. */
  step: count,
  /** Samples taken from the shuffled order: where the next batch begins. */
  consumedSamples: count,
  /** Samples that the order of a dataset was laid out for. */
  trainSamples: v.optional(count),
  /** Where the loss scale of fp16 training stands. */
  lossScale: v.optional(
    v.object({
      scale: v.pipe(v.number(), v.finite(), v.gtValue(0)),
      steadySteps: count,
      patience: count,
      skippedSteps: count,
      skippedSamples: count,
    }),
  ),
  /** What the run must have in common with the one that continues it, by name. */
  identity: v.record(v.string(), v.union([v.string(), v.number()])),
});

export type Progress = Readonly<v.InferOutput<typeof Progress>>;

const StateFile = v.object({
  ...Progress.entries,
  files: v.record(v.string(), v.object({ bytes: count, sha256: v.string() })),
});

export interface Checkpoint {
  readonly config: GptConfig;
  readonly params: GptParams;
  readonly state: OptimizerState<GptParams>;
  readonly progress: Progress;
}

/** Writes `outputDir`/checkpoint-STEP and returns its path. A folder of that name is replaced. */
export function saveCheckpoint(outputDir: string, checkpoint: Checkpoint): string {
  const { config, params, state, progress } = checkpoint;
  const folder = join(outputDir, `checkpoint-${progress.step}`);
  const partial = join(outputDir, `.${basename(folder)}.partial-${process.pid}`);
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  try {
    writeModel(partial, config, params);
    writeOptimizer(join(partial, OPTIMIZER), state);
    const files = Object.fromEntries(
      readdirSync(partial).map((name) => [name, fingerprint(join(partial, name))]),
    );
    const text = JSON.stringify({ ...progress, files }, null, 2);
    writeFileSync(join(partial, STATE), `${text}\n`, { flush: true });
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return folder;
}

function writeOptimizer(path: string, state: OptimizerState<GptParams>): void {
  const tensors = leaves<Tensor>(state).map(([name, leaf]) => ({
    name,
    shape: leaf.shape,
    values: () => leaf.dataSync<"float32">(),
  }));
  writeSafetensors(path, tensors);
}

/** The steps of the checkpoints in `outputDir`. */
const stepsIn = (outputDir: string): number[] =>
  existsSync(outputDir)
    ? readdirSync(outputDir)
        .map((name) => /^checkpoint-(\d+)$/.exec(name)?.[1])
        .filter((step) => step !== undefined)
        .map(Number)
    : [];

/** The checkpoint with the most steps in `outputDir`, or undefined. */
export function latestCheckpoint(outputDir: string): string | undefined {
  const steps = stepsIn(outputDir);
  return steps.length === 0 ? undefined : join(outputDir, `checkpoint-${Math.max(...steps)}`);
}

/** Removes every checkpoint in `outputDir`, and nothing else. */
export function removeCheckpoints(outputDir: string): void {
  for (const step of stepsIn(outputDir)) {
    rmSync(join(outputDir, `checkpoint-${step}`), { recursive: true });
  }
}

/** What a checkpoint says of itself. Its other files are not looked at. */
export function readProgress(folder: string): Progress {
  const { files: _files, ...progress } = readState(folder);
  return progress;
}

function readState(folder: string): v.InferOutput<typeof StateFile> {
  const path = join(folder, STATE);
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? "it is not JSON";
    throw new UserError(`${path}: cannot be read (${why}); ${folder} is no checkpoint to resume`);
  }
  const parsed = v.safeParse(StateFile, json);
  if (!parsed.success) {
    throw new UserError(`${path}: is not what Tessera writes: ${v.summarize(parsed.issues)}`);
  }
  return parsed.output;
}

/** Throws a UserError unless all files of the checkpoint are as they were written. */
function checkFiles(folder: string): void {
  for (const [name, expected] of Object.entries(readState(folder).files)) {
    const file = join(folder, basename(name));
    if (!existsSync(file)) throw new UserError(`${file}: is missing from the checkpoint`);
    const actual = fingerprint(file);
    if (actual.sha256 !== expected.sha256) {
      throw new UserError(
        `${file}: is damaged (${actual.bytes} bytes whose sum is not the one saved with it)`,
      );
    }
  }
}

/**
 * Everything that training needs to go on, checked against the sums it was saved with. `slots` are the optimizer's. The caller owns the
 * tensors. Throws a UserError where the folder is damaged or no checkpoint of this optimizer.
 */
export function loadCheckpoint(folder: string, slots: readonly string[]): Checkpoint {
  checkFiles(folder);
  const progress = readProgress(folder);
  const config = readModelConfig(folder);
  const params = readModel(folder, config);
  const file = openSafetensors(join(folder, OPTIMIZER));
  try {
    const state = Object.fromEntries(
      slots.map((slot) => [
        slot,
        mapTensors(params, (leaf, path) => readSlot(file, `${slot}.${path}`, leaf.shape)),
      ]),
    );
    return { config, params, state, progress };
  } finally {
    file.close();
  }
}

function readSlot(file: SafetensorsFile, name: string, shape: readonly number[]): Tensor {
  const stored = file.shapes.get(name)?.join() ?? "missing";
  if (stored !== shape.join()) {
    throw new UserError(`${file.path}: ${name} is [${stored}], the model needs [${shape.join()}]`);
  }
  return tensor(file.read(name), [...shape]);
}
