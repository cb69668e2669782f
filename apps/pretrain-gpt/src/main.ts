#!/usr/bin/env node
// pretrain-gpt: Megatron's flags in, a trained model out. Here alone argv, the environment and exit codes
// are touched.

import { availableParallelism } from "node:os";
import { runRank, type World } from "@tessera/collectives";
import { joinWorld } from "@tessera/collectives-mpi";
import { endWith, EXIT, parseFlags, type ConfiguredFlags } from "@tessera/config";
import { chooseBackend, defaultBackend } from "@tessera/engines";
import { trainingFlopsPerToken, type GptParams } from "@tessera/gpt";
import { bind, CLUSTERS, resolveWorld } from "@tessera/launcher";
import { isFirstRank } from "@tessera/parallel";
import { openEventFile } from "@tessera/tensorboard";
import {
  evaluate,
  planRun,
  runExitCode,
  stopOnSignal,
  trainRun,
  type Run,
  type TrainingResult,
} from "@tessera/trainer";
import { describeRanks, silent, type Reporter } from "@tessera/trainer/report";
import { arrange } from "./arguments.js";
import { configure } from "./deepspeed.js";
import { describe } from "./describe.js";
import { program, type Flags } from "./flags.js";
import { withLimits } from "./limits.js";
import { presetOf } from "./presets.js";
import { evaluationLine, megatronReporter } from "./report.js";
import { chooseRun, type PretrainRun } from "./run_config.js";
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
  const all = [...notes, ...configured.notes];
  if (parsed.values["print-config"]) return printConfig(configured, all);
  const timeoutMinutes = configured.flags["distributed-timeout-minutes"];
  const world = joinWorld(process.env, { timeoutMinutes });
  return runRank(world, () => trainHere(configured.flags, world, all));
}

function printConfig({ flags }: ConfiguredFlags<Flags>, notes: readonly string[]): number {
  const { preset, "world-size": asked } = flags;
  const { size } = resolveWorld(process.env);
  const usual = preset === undefined || size > 1 ? size : presetOf(preset).ranks;
  const vocabulary = vocabularyOf(flags);
  const chosen = chooseRun(flags, asked ?? usual, vocabulary);
  for (const line of [...describe(chosen, vocabulary), ...notes]) say(line);
  return EXIT.done;
}

async function trainHere(flags: Flags, world: World, notes: readonly string[]): Promise<number> {
  const vocabulary = vocabularyOf(flags);
  const chosen = chooseRun(flags, world.size, vocabulary);
  const introduction = describe(chosen, vocabulary);
  const backend = flags.backend ?? defaultBackend();
  await chooseBackend(backend, bind(process.env, availableParallelism()));
  const run = await planRun(world, chosen.config, say);
  const isFirst = isFirstRank(run.plan.axes);
  let reporter: Reporter = silent;
  const stop = stopOnSignal(flags["exit-signal-handler"], (text) => reporter.note(text));
  const result = await trainRun(run, {
    signal: stop.signal,
    onStart({ step }) {
      if (!isFirst) return;
      const { resume } = chosen.config;
      for (const line of [
        ...introduction,
        `data   ${run.data.description}`,
        `hosts  ${describeRanks(world)}, by ${world.engine}; on ${backend}`,
        ...(resume === undefined ? [] : [`loaded ${resume}: resume from step ${step}`]),
        ...run.notes,
        ...notes,
      ])
        say(line);
    },
    reporter({ step }) {
      if (isFirst) reporter = reporterOf(flags, chosen, step, world.size);
      return withLimits(reporter, flags, stop);
    },
    onTrained: (trained) => evaluateAtEnd(run, trained, (text) => reporter.note(text)),
  });
  const isExpected = flags["exit-signal-handler"];
  return runExitCode(run.plan, result, { signal: stop.signal, isExpected });
}

function reporterOf(
  flags: Flags,
  { gpt, sequenceLength, duration }: PretrainRun,
  startStep: number,
  ranks: number,
): Reporter {
  const { "tensorboard-dir": folder, site } = flags;
  const nodePeak = site === undefined ? null : CLUSTERS[site].cpuPeakTflops;
  return megatronReporter({
    say,
    events: folder === undefined ? null : openEventFile(folder),
    steps: duration.steps,
    startStep,
    lineInterval: flags["log-interval"],
    eventInterval: flags["tensorboard-log-interval"],
    sequenceLength,
    flopsPerToken: trainingFlopsPerToken(gpt, sequenceLength),
    ranks,
    peakTflops:
      flags["peak-tflops"] ?? (nodePeak && nodePeak / resolveWorld(process.env).localSize),
    now: () => performance.now(),
  });
}

function evaluateAtEnd(
  { plan, data }: Run<GptParams>,
  { state, interrupted }: TrainingResult<GptParams>,
  note: Reporter["note"],
): void {
  if (interrupted || !data.test) return;
  const loss = evaluate(plan, state.params, data.test);
  note(evaluationLine(`test loss at iteration ${state.step}`, loss));
}

await endWith("pretrain-gpt", () => main(process.argv.slice(2)));
