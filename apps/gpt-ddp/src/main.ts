#!/usr/bin/env node
// gpt-ddp: flags in, a trained model and its sample out. Here alone argv, signals and exit codes
// are touched.

import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { saveCheckpoint } from "@tessera/checkpoint";
import { runRank } from "@tessera/collectives";
import { joinWorld } from "@tessera/collectives-mpi";
import { endWith, EXIT, parseFlags, UserError } from "@tessera/config";
import { disagreement } from "@tessera/data-parallel";
import { generate } from "@tessera/gpt";
import { threadCount } from "@tessera/kernels-native";
import { bind } from "@tessera/launcher";
import { disposeTree } from "@tessera/layers";
import { decodeStream } from "@tessera/tokenizer";
import {
  consoleReporter,
  duration,
  evaluate,
  silent,
  train,
  wholeState,
  type Reporter,
  type TrainingPlan,
  type TrainingResult,
  type TrainingState,
} from "@tessera/trainer";
import { chooseBackend, defaultBackend } from "./backend.js";
import { startingState } from "./choose_model.js";
import { withDeepSpeed } from "./deepspeed.js";
import { program, type Flags } from "./flags.js";
import { introduce } from "./introduce.js";
import { makeRun, type Run } from "./plan.js";

const { stdout } = process;

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseFlags(program, argv);
  if ("help" in parsed) {
    stdout.write(parsed.help);
    return EXIT.done;
  }
  const { flags, notes, globalBatch } = withDeepSpeed(parsed.values, parsed.given);
  const timeoutMinutes = flags.distributed_timeout_minutes;
  const world = joinWorld(process.env, { timeoutMinutes });
  return runRank(world, async () => {
    const backend = flags.backend ?? defaultBackend();
    const run = await makeRun(flags, backend, world);
    refuseOtherBatch(globalBatch, flags, run.plan);
    const processors = availableParallelism();
    const environment = bind(process.env, processors);
    await chooseBackend(backend, environment);
    const start = startingState(flags, run.plan, run.identity);
    refuseDisagreement(run.plan, start);
    if (world.rank === 0) {
      const threads = threadCount(environment, processors);
      introduce({ backend, threads, run, start, world, notes });
    }
    return flags.do_train
      ? trainAndSample(flags, run, start)
      : evaluateAndSample(flags, run, start);
  });
}

/** The batch that a DeepSpeed configuration says must be the product of its parts. */
function refuseOtherBatch(said: number | null, flags: Flags, { batch }: TrainingPlan): void {
  const { microBatch, accumulation, dataRanks, globalBatch } = batch;
  if (said === null || said === globalBatch) return;
  throw new UserError(
    `${flags.deepspeed}: train_batch_size is ${said}, but ${microBatch} per device x ` +
      `${accumulation} accumulated x ${dataRanks} ranks = ${globalBatch}`,
  );
}

/** Weights are a function of the seed or of a file, so ranks that differ have not read the same. */
function refuseDisagreement({ sharing }: TrainingPlan, { params }: TrainingState): void {
  if (sharing.group.size === 1) return;
  const whole = sharing.whole(params);
  const path = disagreement(whole, sharing.group);
  disposeTree(whole);
  if (path !== null) {
    throw new UserError(`${path}: is not the same on all ranks; give all of them the same files`);
  }
}

function evaluateAndSample(flags: Flags, run: Run, start: TrainingState): number {
  const { plan } = run;
  if (plan.validation !== null) {
    const loss = evaluate(plan, start.params, plan.validation);
    if (isFirst(plan)) stdout.write(`validation loss ${loss.toFixed(4)}\n`);
  }
  sample(flags, run, start);
  return EXIT.done;
}

/** Whether this rank is the one that speaks and writes. */
const isFirst = ({ sharing }: TrainingPlan): boolean => sharing.group.rank === 0;

async function trainAndSample(flags: Flags, run: Run, start: TrainingState): Promise<number> {
  const { plan, identity, data } = run;
  const reporter = reporterOf(flags, plan, start);
  const save = (state: TrainingState): void => {
    const { step, consumedSamples, lossScale } = state;
    const { trainSamples } = data;
    const progress = { step, consumedSamples, trainSamples, lossScale, identity: { ...identity } };
    const whole = wholeState(plan, state);
    if (isFirst(plan)) {
      const checkpoint = { ...whole, state: whole.optimizer, config: plan.model.config, progress };
      reporter.note(`saved  ${saveCheckpoint(flags.output_dir, checkpoint)}`);
    }
    disposeTree(whole.params);
    disposeTree(whole.optimizer);
  };
  const signal = stopOnSignal((text) => reporter.note(text));
  const began = performance.now();
  const result = await train(plan, start, { reporter, save, signal });
  reporter.end();
  if (result.interrupted) {
    if (isFirst(plan)) stdout.write("stopped; --resume_from_checkpoint goes on from here\n");
    return EXIT.interrupted;
  }
  if (isFirst(plan)) summarize(result, (performance.now() - began) / 1000);
  sample(flags, run, result.state);
  return EXIT.done;
}

function summarize({ trainLoss, validationLoss }: TrainingResult, seconds: number): void {
  stdout.write(
    `done   in ${duration(seconds)}: training loss ` +
      `${trainLoss.toFixed(4)}, validation loss ${validationLoss.toFixed(4)} nats per token\n`,
  );
}

/** The first rank tells and writes; the others are silent. */
function reporterOf(flags: Flags, plan: TrainingPlan, start: TrainingState): Reporter {
  if (!isFirst(plan)) return silent;
  const metricsFile = join(flags.output_dir, "metrics.jsonl");
  if (start.step === 0) writeFileSync(metricsFile, "");
  const { steps } = plan.intervals;
  const isTerminal = stdout.isTTY && plan.sharing.group.size === 1;
  return consoleReporter({ stream: stdout, metricsFile, steps, startStep: start.step, isTerminal });
}

/** Aborted by the first Ctrl-C or SIGTERM; the second ends the process at once. */
function stopOnSignal(say: (text: string) => void): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(EXIT.interrupted);
      say(`${name}: saving after this step; once more to stop at once`);
      controller.abort();
    });
  }
  return controller.signal;
}

/** Prints the prompt and what the model makes of it, as it is made. All ranks compute it. */
function sample(flags: Flags, { plan, tokenizer }: Run, { params }: TrainingState): void {
  const write = (shown: string): void => {
    if (isFirst(plan)) stdout.write(shown);
  };
  if (flags.sample_len === 0) return;
  const sampling = { temperature: flags.temperature, topK: flags.top_k, seed: flags.seed };
  const prompt = [...tokenizer.encode(flags.prompt)];
  const text = decodeStream(tokenizer);
  write(`\n--- a sample ---\n${flags.prompt}`);
  for (const id of generate(plan.model, params, prompt, flags.sample_len, sampling)) {
    write(text.push(id));
  }
  write(`${text.end()}\n----------------\n`);
}

await endWith("gpt-ddp", () => main(process.argv.slice(2)));
