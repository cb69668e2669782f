#!/usr/bin/env node
// pretrain-gpt: Megatron's flags in, a trained model out. Here alone argv, the environment and exit codes
// are touched.

import { runRank, type World } from "@tessera/collectives";
import { joinWorld } from "@tessera/collectives-mpi";
import { type ConfiguredFlags, endWith, EXIT, goOnUnread, parseFlags } from "@tessera/config";
import {
  type BackendName,
  chooseBackend,
  computesOnGpu,
  defaultBackend,
  describeBackend,
  explainFallback,
} from "@tessera/engines";
import type { GptParams } from "@tessera/gpt";
import { bind, CLUSTERS, resolveSize, resolveWorld, type Peak } from "@tessera/launcher";
import { isFirstRank } from "@tessera/parallel";
import {
  evaluate,
  planRun,
  runExitCode,
  startRun,
  stopOnSignal,
  trainRun,
  type Run,
  type TrainingState,
} from "@tessera/trainer";
import {
  describeRanks,
  jsonLines,
  silent,
  withSinks,
  type Reporter,
} from "@tessera/trainer/report";
import { arrange } from "./arguments.js";
import { takeCheckpointArgs } from "./checkpoint_args.js";
import { configure } from "./deepspeed.js";
import { describeStart } from "./choose_start.js";
import { describe, flopsPerToken } from "./describe.js";
import { checkExport, exportTrained } from "./export.js";
import { program, type Flags } from "./flags.js";
import { describeTaken } from "./foreign.js";
import { withLimits } from "./limits.js";
import { presetOf } from "./presets.js";
import { evaluationLine, megatronReporter, openEvents } from "./report.js";
import { chooseRun, type PretrainRun } from "./run_config.js";
import { vocabularyOf } from "./vocabulary.js";

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(line: readonly string[]): Promise<number> {
  const parsed = parseFlags(program, arrange(line.length === 0 ? ["--help"] : line));
  if ("answer" in parsed) {
    process.stdout.write(parsed.answer);
    return line.length === 0 ? EXIT.refused : EXIT.done;
  }
  const configured = configure(takeCheckpointArgs(parsed.values), parsed.given);
  const all = [...describeTaken(parsed.idle), ...configured.notes];
  if (parsed.values["print-config"]) return printConfig(configured, all);
  const timeoutMinutes = configured.flags["distributed-timeout-minutes"];
  const world = joinWorld(process.env, { timeoutMinutes });
  goOnUnread();
  return runRank(world, () => trainHere(configured, world, all));
}

function printConfig({ flags, origins }: ConfiguredFlags<Flags>, notes: readonly string[]): number {
  const vocabulary = vocabularyOf(flags);
  const chosen = chooseRun(flags, flags["world-size"] ?? usualRanks(flags), vocabulary, origins);
  for (const line of [...describe(chosen, vocabulary), ...chosen.notes, ...notes]) say(line);
  return EXIT.done;
}

/** Those of the job, else those of the preset's example. */
function usualRanks({ preset }: Flags): number {
  const size = resolveSize(process.env);
  return preset === undefined || size > 1 ? size : presetOf(preset).ranks;
}

async function trainHere(
  { flags, origins }: ConfiguredFlags<Flags>,
  world: World,
  notes: readonly string[],
): Promise<number> {
  const vocabulary = vocabularyOf(flags);
  const chosen = chooseRun(flags, world.size, vocabulary, origins);
  checkExport(flags, chosen.gpt);
  const introduction = describe(chosen, vocabulary);
  const environment = bind(process.env);
  const backend = flags.backend ?? defaultBackend(environment);
  await chooseBackend(backend, environment);
  const run = await planRun(world, chosen.config, say);
  const isFirst = isFirstRank(run.plan.axes);
  const introduce = (step: number): void => {
    if (!isFirst) return;
    for (const line of [
      ...introduction,
      `data   ${run.data.description}`,
      `hosts  ${describeRanks(world)}, by ${world.engine}; on ${describeBackend(backend, environment)}`,
      ...explainFallback(backend),
      describeStart(flags, run.config.resume, step),
      ...chosen.notes,
      ...run.notes,
      ...notes,
    ])
      say(line);
  };
  if (flags["skip-train"]) return evaluateOnly(run, introduce);
  let reporter: Reporter = silent;
  const stop = stopOnSignal(flags["exit-signal-handler"], (text) => reporter.note(text));
  const result = await trainRun(run, {
    signal: stop.signal,
    onStart: ({ step }) => introduce(step),
    reporter(start) {
      const peak = rankPeak(flags, backend, chosen.config.precision?.storage ?? "fp32");
      if (isFirst) reporter = reporterOf(flags, chosen, { start, ranks: world.size, peak });
      return withLimits(reporter, flags, stop);
    },
    onTrained({ state, interrupted }, checkpoint) {
      if (interrupted) return;
      evaluateOn("test", run, state, (text) => reporter.note(text));
      if (checkpoint === null) return;
      for (const line of exportTrained(flags, chosen.gpt, vocabulary, checkpoint)) {
        reporter.note(line);
      }
    },
  });
  const isExpected = flags["exit-signal-handler"];
  return runExitCode(run.plan, result, { signal: stop.signal, isExpected });
}

/** What a rank could compute, in 10^12 operations a second; null where no flag says it. */
function rankPeak(
  { "peak-tflops": given, site }: Flags,
  backend: BackendName,
  storage: keyof Peak,
): number | null {
  if (given !== undefined || site === undefined) return given ?? null;
  const { processors, gpus } = CLUSTERS[site];
  const { peakTflops } = computesOnGpu(backend) ? gpus : processors;
  return peakTflops && peakTflops[storage] / resolveWorld(process.env).localSize;
}

function reporterOf(
  flags: Flags,
  chosen: PretrainRun,
  { start, ranks, peak }: { start: TrainingState<GptParams>; ranks: number; peak: number | null },
): Reporter {
  const { "metrics-file": metricsFile } = flags;
  const { sequenceLength, duration } = chosen;
  const reporter = megatronReporter({
    say,
    events: openEvents(flags["tensorboard-dir"], start),
    steps: duration.steps,
    startStep: start.step,
    lineInterval: flags["log-interval"],
    eventInterval: flags["tensorboard-log-interval"],
    sequenceLength,
    flopsPerToken: flopsPerToken(chosen),
    ranks,
    peakTflops: peak,
    now: () => performance.now(),
  });
  if (metricsFile === undefined) return reporter;
  return withSinks(reporter, [jsonLines(metricsFile, start.step)]);
}

/** What --skip-train leaves: the losses of the state that training would start from. */
function evaluateOnly(run: Run<GptParams>, introduce: (step: number) => void): number {
  const start = startRun(run);
  introduce(start.step);
  const note = isFirstRank(run.plan.axes) ? say : () => undefined;
  for (const part of ["validation", "test"] as const) evaluateOn(part, run, start, note);
  return EXIT.done;
}

function evaluateOn(
  part: "validation" | "test",
  { plan, data }: Run<GptParams>,
  { step, params }: Pick<TrainingState<GptParams>, "step" | "params">,
  note: Reporter["note"],
): void {
  const feed = data[part];
  if (!feed) return;
  note(evaluationLine(`${part} loss at iteration ${step}`, evaluate(plan, params, feed)));
}

await endWith(program.name, () => main(process.argv.slice(2)));
