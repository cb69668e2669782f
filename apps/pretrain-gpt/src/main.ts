#!/usr/bin/env node
// pretrain-gpt: Megatron's flags in, a trained model out. Here alone argv, the environment and exit codes
// are touched.

import { availableParallelism } from "node:os";
import { runRank, type World } from "@tessera/collectives";
import { joinWorld } from "@tessera/collectives-mpi";
import { endWith, EXIT, parseFlags, type Configured } from "@tessera/config";
import { trainingFlopsPerToken } from "@tessera/gpt";
import { chooseBackend, defaultBackend } from "@tessera/engines";
import { bind, resolveWorld, SITES } from "@tessera/launcher";
import { anyRank, isFirstRank } from "@tessera/parallel";
import { openEventFile } from "@tessera/tensorboard";
import {
  checkReplicasAgree,
  describeRanks,
  evaluate,
  checkStorage,
  silent,
  stopOnSignal,
  train,
  type Reporter,
  type TrainingResult,
} from "@tessera/trainer";
import { arrange } from "./arguments.js";
import { checkpointsOf, saverOf, startOf } from "./checkpoint.js";
import { configure } from "./deepspeed.js";
import { describe } from "./describe.js";
import { program, type Flags } from "./flags.js";
import { withLimits } from "./limits.js";
import { presetOf } from "./presets.js";
import { evaluationLine, megatronReporter } from "./report.js";
import { resolve, type RunConfig } from "./resolve.js";
import { runOf, type Run } from "./run.js";
import { vocabularyOf } from "./vocabulary.js";

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(line: readonly string[]): Promise<number> {
  const { argv, notes } = arrange(line);
  const parsed = parseFlags(program, argv);
  if ("help" in parsed) {
    process.stdout.write(parsed.help);
    return EXIT.done;
  }
  const configured = configure(parsed.values, parsed.given);
  const told = [...notes, ...configured.notes];
  if (parsed.values["print-config"]) return printConfig(configured, told);
  const timeoutMinutes = configured.flags["distributed-timeout-minutes"];
  const world = joinWorld(process.env, { timeoutMinutes });
  return runRank(world, () => trainHere(configured, world, told));
}

function printConfig(configured: Configured<Flags>, notes: readonly string[]): number {
  const { preset, "world-size": said } = configured.flags;
  const { size } = resolveWorld(process.env);
  const usual = preset === undefined || size > 1 ? size : presetOf(preset).ranks;
  const vocabulary = vocabularyOf(configured.flags);
  const config = resolve(configured.flags, said ?? usual, vocabulary.size);
  for (const line of [...describe(config, vocabulary), ...notes]) say(line);
  return EXIT.done;
}

async function trainHere(
  configured: Configured<Flags>,
  world: World,
  notes: readonly string[],
): Promise<number> {
  const { flags } = configured;
  const vocabulary = vocabularyOf(flags);
  const config = resolve(flags, world.size, vocabulary.size);
  const introduction = describe(config, vocabulary);
  const backend = flags.backend ?? defaultBackend();
  await chooseBackend(backend, bind(process.env, availableParallelism()));
  checkStorage(config.storage);
  const checkpoints = await checkpointsOf(flags, world, say);
  const run = await runOf(flags, config, vocabulary, world);
  const start = startOf(run);
  checkReplicasAgree(run.plan, start);
  const isFirst = isFirstRank(run.plan.axes);
  if (isFirst) {
    const { data, checkpoint } = run;
    for (const line of [
      ...introduction,
      `data   ${data.description}`,
      `hosts  ${describeRanks(world)}, by ${world.engine}; on ${backend}`,
      ...(checkpoint === undefined ? [] : [`loaded ${checkpoint}: resume from step ${start.step}`]),
      ...data.notes,
      ...notes,
    ])
      say(line);
  }
  const reporter = isFirst ? reporterOf(flags, config, start.step, world.size) : silent;
  const note = (text: string): void => reporter.note(text);
  const stop = stopOnSignal(flags["exit-signal-handler"], note);
  const saver = saverOf(checkpoints, flags, run, reporter);
  const hooks = { reporter: withLimits(reporter, flags, stop), saver, signal: stop.signal };
  const result = await train(run.plan, start, hooks);
  await checkpoints?.settled();
  await checkpoints?.close();
  if (!result.interrupted) evaluateAtEnd(run, result, note);
  reporter.end();
  return exitCode(flags, run, result, stop.signal);
}

function reporterOf(
  flags: Flags,
  { model, sequenceLength, length }: RunConfig,
  startStep: number,
  ranks: number,
): Reporter {
  const { "tensorboard-dir": folder, site } = flags;
  return megatronReporter({
    say,
    events: folder === undefined ? null : openEventFile(folder),
    steps: length.steps,
    startStep,
    lineInterval: flags["log-interval"],
    eventInterval: flags["tensorboard-log-interval"],
    sequenceLength,
    flopsPerToken: trainingFlopsPerToken(model, sequenceLength),
    ranks,
    peakTflops: flags["peak-tflops"] ?? (site === undefined ? null : SITES[site].peakTflops),
    now: () => performance.now(),
  });
}

function evaluateAtEnd({ plan, data }: Run, { state }: TrainingResult, note: Reporter["note"]) {
  if (data.test === null) return;
  const loss = evaluate(plan, state.params, data.test);
  note(evaluationLine(`test loss at iteration ${state.step}`, loss));
}

/** A run ends well at its end, at its own limits, and at a batch system's signal that it expects. */
function exitCode(flags: Flags, { plan }: Run, result: TrainingResult, signal: AbortSignal) {
  if (!result.interrupted) return EXIT.done;
  const isExpected = signal.reason === "SIGTERM" && flags["exit-signal-handler"];
  const isBad = signal.aborted && signal.reason !== "limit" && !isExpected;
  return anyRank(plan.axes, isBad) ? EXIT.interrupted : EXIT.done;
}

await endWith("pretrain-gpt", () => main(process.argv.slice(2)));
