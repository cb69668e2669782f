#!/usr/bin/env node
// gpt-ddp: flags in, a trained model and its sample out. Here alone argv, signals and exit codes
// are touched.

import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { exportModel, removeCheckpoints } from "@tessera/checkpoint";
import { runRank, type World } from "@tessera/collectives";
import { joinWorld } from "@tessera/collectives-mpi";
import { endWith, EXIT, parseFlags } from "@tessera/config";
import { generate, greedy, nativeEngine } from "@tessera/generation";
import { chooseBackend, defaultBackend } from "@tessera/engines";
import { gpt, type GptParams } from "@tessera/gpt";
import { threadCount } from "@tessera/kernels-native";
import { bind } from "@tessera/launcher";
import { isFirstRank } from "@tessera/parallel";
import {
  checkReplicasAgree,
  consoleReporter,
  evaluate,
  openCheckpoints,
  silent,
  stopOnSignal,
  train,
  type Checkpoints,
  type Reporter,
  type TrainingPlan,
  type TrainingState,
} from "@tessera/trainer";
import { chooseBatch } from "./choose_batch.js";
import { startingState } from "./choose_model.js";
import { configure } from "./deepspeed.js";
import { program, type Flags } from "./flags.js";
import { introduce } from "./introduce.js";
import { checkOutput, makeRun, type Run } from "./plan.js";
import { summarize } from "./summarize.js";

type State = TrainingState<GptParams>;

const { stdout } = process;

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseFlags(program, argv);
  if ("help" in parsed) {
    stdout.write(parsed.help);
    return EXIT.done;
  }
  const configured = configure(parsed.values, parsed.given);
  const { flags, notes } = configured;
  const timeoutMinutes = flags.distributed_timeout_minutes;
  const world = joinWorld(process.env, { timeoutMinutes });
  return runRank(world, async () => {
    const backend = flags.backend ?? defaultBackend();
    const batch = chooseBatch(configured, world.size);
    const checkpoints = flags.do_train ? await checkpointsOf(flags, world) : null;
    const processors = availableParallelism();
    const environment = bind(process.env, processors);
    await chooseBackend(backend, environment);
    const run = await makeRun(flags, { world, batch });
    const start = startingState(flags, run);
    checkReplicasAgree(run.plan, start);
    if (world.rank === 0) {
      const threads = threadCount(environment, processors);
      introduce({ backend, threads, run, start, world, notes });
    }
    return checkpoints === null
      ? evaluateAndSample(flags, run, start)
      : trainAndSample(flags, { ...run, checkpoints }, start);
  });
}

/** Takes the output folder, if nothing in it would be lost. */
function checkpointsOf(flags: Flags, world: World): Promise<Checkpoints> {
  if (world.rank === 0) checkOutput(flags);
  return openCheckpoints(world, {
    folder: flags.output_dir,
    keep: flags.keep,
    isWaitedFor: !flags.async_save,
    patienceSeconds: 60 * flags.distributed_timeout_minutes,
    say: (text) => void stdout.write(`${text}\n`),
  });
}

async function evaluateAndSample(flags: Flags, run: Run, start: State): Promise<number> {
  const { plan } = run;
  if (plan.validation !== null) {
    const loss = evaluate(plan, start.params, plan.validation);
    if (isFirstRank(plan.axes)) stdout.write(`validation loss ${loss.toFixed(4)}\n`);
  }
  await sample(flags, run, start);
  return EXIT.done;
}

async function trainAndSample(
  flags: Flags,
  run: Run & { readonly checkpoints: Checkpoints },
  start: State,
): Promise<number> {
  const { plan, identity, data, checkpoints } = run;
  const reporter = reporterOf(flags, plan, start);
  const { trainSamples } = data;
  const saver = checkpoints.of(plan, { identity, trainSamples, run: flags }, reporter);
  const { signal } = stopOnSignal(flags.exit_signal_handler, (text) => reporter.note(text));
  const began = performance.now();
  const result = await train(plan, start, { reporter, saver, signal });
  const last = await checkpoints.settled();
  if (last !== null && !result.interrupted) {
    exportModel(last, flags.output_dir);
    reporter.note(`model  ${flags.output_dir}, in Hugging Face's layout`);
  }
  await checkpoints.close();
  reporter.end();
  if (result.interrupted) {
    if (isFirstRank(plan.axes))
      stdout.write("stopped; --resume_from_checkpoint goes on from here\n");
    return flags.exit_signal_handler && signal.reason !== "SIGINT" ? EXIT.done : EXIT.interrupted;
  }
  if (isFirstRank(plan.axes)) summarize(plan, result, (performance.now() - began) / 1000);
  await sample(flags, run, result.state);
  return EXIT.done;
}

/** The first rank tells and writes; the others are silent. */
function reporterOf(flags: Flags, plan: TrainingPlan, start: State): Reporter {
  if (!isFirstRank(plan.axes)) return silent;
  const metricsFile = join(flags.output_dir, "metrics.jsonl");
  if (start.step === 0) {
    writeFileSync(metricsFile, "");
    // Those of an earlier run would pass for later ones of this.
    if (flags.overwrite_output_dir) removeCheckpoints(flags.output_dir);
  }
  const { steps } = plan.intervals;
  const isTerminal = stdout.isTTY && plan.dataParallel.group.size === 1;
  return consoleReporter({ stream: stdout, metricsFile, steps, startStep: start.step, isTerminal });
}

/** Prints the prompt and what the model makes of it, as it is made. All ranks compute it. */
async function sample(
  flags: Flags,
  { plan, config, tokenizer }: Run,
  { params }: TrainingState<GptParams>,
): Promise<void> {
  const write = (shown: string): void => {
    if (isFirstRank(plan.axes)) stdout.write(shown);
  };
  if (flags.sample_len === 0) return;
  const { options } = plan.model;
  const { prompt, temperature, top_k: topK, seed, sample_len: maxTokens } = flags;
  const sampling = { ...greedy, temperature, topK, seed };
  const request = { prompt, maxTokens, sampling, ignoreEnd: true };
  const engine = nativeEngine(gpt(config, options), params);
  write(`\n--- a sample ---\n${prompt}`);
  for await (const text of generate(engine, tokenizer, request)) write(text);
  await engine.close();
  write("\n----------------\n");
}

await endWith("gpt-ddp", () => main(process.argv.slice(2)));
