#!/usr/bin/env node
// gpt-ddp: flags in, a trained model and its sample out. Here alone argv, signals and exit codes
// are touched.

import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { saveCheckpoint } from "@tessera/checkpoint";
import { endWith, EXIT, parseFlags } from "@tessera/config";
import { isAvailable } from "@tessera/kernels-native";
import { generate, parameterCount } from "@tessera/gpt";
import { decodeStream } from "@tessera/tokenizer";
import { consoleReporter, duration, evaluate, train, type TrainingState } from "@tessera/trainer";
import { chooseBackend, defaultBackend, type BackendName } from "./backend.js";
import { startingState } from "./choose_model.js";
import { program, type Flags } from "./flags.js";
import { makeRun, type Run } from "./plan.js";

const { stdout } = process;

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseFlags(program, argv);
  if ("help" in parsed) {
    stdout.write(parsed.help);
    return EXIT.done;
  }
  const flags = parsed.values;
  const backend = flags.backend ?? defaultBackend();
  const run = makeRun(flags, backend);
  await chooseBackend(backend);
  const { plan } = run;
  const start = startingState(flags, plan.model.config, plan.optimizer, run.identity);
  introduce(backend, run, start);
  if (!flags.do_train) {
    if (plan.validation !== null) {
      const loss = evaluate(plan.model, start.params, plan.validation, plan.evalBatch);
      stdout.write(`validation loss ${loss.toFixed(4)}\n`);
    }
    sample(flags, run, start);
    return EXIT.done;
  }
  return trainAndSample(flags, run, start);
}

/** One line each for the model, the text and the batch. */
function introduce(
  backend: BackendName,
  { plan, texts, tokenizer }: Run,
  start: TrainingState,
): void {
  const { config } = plan.model;
  const { microBatch, accumulation, dataRanks, globalBatch } = plan.batch;
  const skipped = texts.skipped.length === 0 ? "" : `, ${texts.skipped.length} skipped`;
  const lines = [
    `model  ${(parameterCount(config) / 1e6).toFixed(2)}M parameters: ${config.layerCount} layers, ` +
      `${config.hiddenSize} wide, ${config.headCount} heads, ${config.vocabularySize} ids`,
    `text   ${texts.texts.length} files${skipped}, ${(texts.bytes / 1e6).toFixed(2)} MB: ` +
      `${plan.train.count} samples of ${plan.train.length} tokens (${tokenizer.name}), ` +
      `${plan.validation?.count ?? 0} for validation`,
    `batch  ${microBatch} samples x ${accumulation} accumulated x ${dataRanks} ranks = ` +
      `${globalBatch}; ${plan.intervals.steps} steps on ${backend}`,
  ];
  if (backend === "wasm" && !isAvailable()) {
    lines.push("native engine: not built, so the slower wasm computes; npm run setup builds it");
  }
  if (start.step > 0) lines.push(`resume from step ${start.step}`);
  stdout.write(`${lines.join("\n")}\n`);
}

async function trainAndSample(flags: Flags, run: Run, start: TrainingState): Promise<number> {
  const { plan, identity } = run;
  const metricsFile = join(flags.output_dir, "metrics.jsonl");
  if (start.step === 0) writeFileSync(metricsFile, "");
  const reporter = consoleReporter({
    stream: stdout,
    metricsFile,
    steps: plan.intervals.steps,
    startStep: start.step,
  });
  const save = ({
    params,
    optimizer: state,
    step,
    consumedSamples,
    lossScale,
  }: TrainingState): void => {
    const progress = { step, consumedSamples, lossScale, identity: { ...identity } };
    const { config } = plan.model;
    const folder = saveCheckpoint(flags.output_dir, { config, params, state, progress });
    reporter.note(`saved  ${folder}`);
  };
  const signal = stopOnSignal((text) => reporter.note(text));
  const began = performance.now();
  const result = await train(plan, start, { reporter, save, signal });
  reporter.end();
  if (result.interrupted) {
    stdout.write("stopped; --resume_from_checkpoint goes on from here\n");
    return EXIT.interrupted;
  }
  stdout.write(
    `done   in ${duration((performance.now() - began) / 1000)}: training loss ` +
      `${result.trainLoss.toFixed(4)}, validation loss ${result.validationLoss.toFixed(4)} nats per token\n`,
  );
  sample(flags, run, result.state);
  return EXIT.done;
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

/** Prints the prompt and what the model makes of it, as it is made. */
function sample(flags: Flags, { plan, tokenizer }: Run, { params }: TrainingState): void {
  if (flags.sample_len === 0) return;
  const sampling = { temperature: flags.temperature, topK: flags.top_k, seed: flags.seed };
  const prompt = [...tokenizer.encode(flags.prompt)];
  const text = decodeStream(tokenizer);
  stdout.write(`\n--- a sample ---\n${flags.prompt}`);
  for (const id of generate(plan.model, params, prompt, flags.sample_len, sampling)) {
    stdout.write(text.push(id));
  }
  stdout.write(`${text.end()}\n----------------\n`);
}

await endWith("gpt-ddp", () => main(process.argv.slice(2)));
