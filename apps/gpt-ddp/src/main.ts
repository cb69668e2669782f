#!/usr/bin/env node
// gpt-ddp: flags in, a trained model and its sample out. Here alone argv, signals and exit codes
// are touched.

import { exportModel, removeCheckpoints, whyNotLoadable } from "@tessera/checkpoint";
import { runRank, type World } from "@tessera/collectives";
import { joinWorld } from "@tessera/collectives-mpi";
import { endWith, EXIT, goOnUnread, parseFlags } from "@tessera/config";
import { describeIdle } from "@tessera/config/foreign";
import { chooseBackend, defaultBackend } from "@tessera/engines";
import { generate, greedy, modelEngine } from "@tessera/generation";
import { gpt, type GptParams } from "@tessera/gpt";
import { bind } from "@tessera/launcher";
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
import { consoleReporter, silent, withSinks, type Reporter } from "@tessera/trainer/report";
import { checkOutput } from "./check_output.js";
import { exportOptions } from "./choose_tokenizer.js";
import { configure } from "./deepspeed.js";
import { program, type Flags } from "./flags.js";
import { introduce } from "./introduce.js";
import { chooseRun, type ChosenRun } from "./run_config.js";
import { openSinks } from "./sinks.js";
import { summarize } from "./summarize.js";

const { stdout } = process;
const say = (text: string): void => void stdout.write(`${text}\n`);

type State = TrainingState<GptParams>;

/** A planned run, and what of its flags the sample needs. */
interface Planned extends ChosenRun {
  readonly flags: Flags;
  readonly run: Run<GptParams>;
}

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseFlags(program, argv.length === 0 ? ["--help"] : argv);
  if ("answer" in parsed) {
    stdout.write(parsed.answer);
    return argv.length === 0 ? EXIT.refused : EXIT.done;
  }
  const configured = configure(parsed.values, parsed.given);
  const { flags } = configured;
  const timeoutMinutes = flags.distributed_timeout_minutes;
  const world = joinWorld(process.env, { timeoutMinutes });
  goOnUnread();
  return runRank(world, async () => {
    const chosen = await chooseRun(configured, world.size);
    const environment = bind(process.env);
    const backend = flags.backend ?? defaultBackend(environment);
    await chooseBackend(backend, environment);
    if (flags.do_train && world.rank === 0) checkOutput(flags);
    const run = await planRun(world, chosen.config, say);
    const planned = { ...chosen, flags, run };
    const introduction = (start: State): void => {
      if (world.rank !== 0) return;
      const notes = [...configured.notes, ...chosen.notes, ...describeIdle(parsed.idle)];
      introduce({ ...planned, backend, environment, start, world, notes });
    };
    return flags.do_train
      ? trainAndSample(planned, world, introduction)
      : evaluateAndSample(planned, introduction);
  });
}

async function evaluateAndSample(
  planned: Planned,
  introduction: (start: State) => void,
): Promise<number> {
  const { plan } = planned.run;
  const start = startRun(planned.run);
  introduction(start);
  if (plan.validation !== null) {
    const loss = evaluate(plan, start.params, plan.validation);
    if (isFirstRank(plan.axes)) say(`validation loss ${loss.toFixed(4)}`);
  }
  await sample(planned, start);
  return EXIT.done;
}

async function trainAndSample(
  planned: Planned,
  world: World,
  onStart: (start: State) => void,
): Promise<number> {
  const { flags, run } = planned;
  const { plan } = run;
  const isFirst = isFirstRank(plan.axes);
  let reporter: Reporter = silent;
  const { signal } = stopOnSignal(flags.exit_signal_handler, (text) => reporter.note(text));
  const began = performance.now();
  const result = await trainRun(run, {
    onStart,
    reporter: (start) => (reporter = isFirst ? reporterOf(planned, world, start) : silent),
    signal,
    onTrained({ interrupted }, checkpoint) {
      if (interrupted || checkpoint === null) return;
      exportModel(checkpoint, flags.output_dir, exportOptions(flags, planned.tokenizer));
      const problem = whyNotLoadable(planned.gpt);
      reporter.note(`model  ${flags.output_dir}, in Hugging Face's layout`);
      if (problem !== null) reporter.note(`model  ${problem}`);
    },
  });
  if (result.interrupted) {
    if (isFirst) say("stopped; --resume_from_checkpoint goes on from here");
    return runExitCode(plan, result, { signal, isExpected: flags.exit_signal_handler });
  }
  if (isFirst) summarize(plan, result, (performance.now() - began) / 1000);
  await sample(planned, result.state);
  return EXIT.done;
}

function reporterOf({ flags, run: { plan } }: Planned, world: World, start: State): Reporter {
  // Those of an earlier run would pass for later ones of this.
  if (start.step === 0 && flags.overwrite_output_dir) removeCheckpoints(flags.output_dir);
  const { steps } = plan.intervals;
  const isTerminal = stdout.isTTY && world.size === 1 && !flags.disable_tqdm;
  const reporter = consoleReporter({ stream: stdout, steps, startStep: start.step, isTerminal });
  return withSinks(reporter, openSinks(flags, start.step));
}

/** Prints the prompt and what the model makes of it, as it is made. All ranks compute it. */
async function sample(
  { flags, run: { plan }, gpt: config, tokenizer }: Planned,
  { params }: State,
): Promise<void> {
  const write = (shown: string): void => {
    if (isFirstRank(plan.axes)) stdout.write(shown);
  };
  if (flags.sample_len === 0) return;
  const { prompt, temperature, top_k: topK, seed, sample_len: maxTokens } = flags;
  const sampling = { ...greedy, temperature, topK, seed };
  const request = { prompt, maxTokens, sampling, ignoreEnd: true };
  const engine = modelEngine(gpt(config, plan.model.options), params, config);
  write(`\n--- a sample ---\n${prompt}`);
  for await (const text of generate(engine, tokenizer, request)) write(text);
  await engine.close();
  write("\n----------------\n");
}

await endWith(program.name, () => main(process.argv.slice(2)));
