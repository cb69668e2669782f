// From a text file to text of its kind: a tokenizer, a GPT trained on four ranks (data x tensor parallelism), a
// checkpoint, and a sample. `node train_tiny.js my_text.txt` trains on a text of yours.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";
import { latestCheckpoint } from "@tessera/checkpoint";
import { runThreads, singleWorld, type World } from "@tessera/collectives";
import { createFeed, shuffledOrder } from "@tessera/data";
import { splitWindows, tokenizeTexts } from "@tessera/data/texts";
import { chooseBackend, defaultBackend } from "@tessera/engines";
import { generate, greedy, modelEngine } from "@tessera/generation";
import { gpt, gptConfig, gptModel, type GptParams } from "@tessera/gpt";
import { bpeTokenizer } from "@tessera/tokenizer";
import { countWords, trainBpe } from "@tessera/tokenizer/train";
import { planRun, startRun, trainRun, type RunConfig } from "@tessera/trainer";

interface Job {
  readonly text: string;
  /** Of checkpoints. */
  readonly folder: string;
}

// 1. A byte-level BPE tokenizer of 500 ids, trained on the text.

function createTokenizer(text: string) {
  const words = countWords();
  words.add(new TextEncoder().encode(text));
  return bpeTokenizer(trainBpe(words, { vocabularySize: 500 }));
}

// 2. The model: a GPT of two layers, with rotary positions, RMS norms and SwiGLU as in Llama.

const LENGTH = 32; // tokens of a sample

const modelConfig = gptConfig({
  layerCount: 2,
  hiddenSize: 64,
  headCount: 4,
  maxPositions: LENGTH,
  vocabularySize: 500,
  positions: { kind: "rotary", base: 10_000, fraction: 1, pairs: "halves" },
  norm: "rms",
  activation: "swiglu",
});

// 3. The run. Batches, schedule and checkpoints are the same on any number of ranks; `parallel` says how they
// divide the work. Ranks that `tensor` (and `pipeline`) leave over are data-parallel.

function createConfig({ text, folder }: Job): RunConfig<GptParams> {
  const tokens = tokenizeTexts([{ text }], createTokenizer(text));
  const { train, validation } = splitWindows(tokens, { length: LENGTH, validation: 0.1 });
  const steps = 60;
  return {
    model: gptModel(modelConfig),
    data: {
      train: createFeed(train, { order: shuffledOrder(train.count, 1) }),
      validation: validation && createFeed(validation),
    },
    batch: { micro: 4, global: 16 },
    duration: { steps },
    schedule: { kind: "cosine", peak: 1e-2, floor: 1e-3, warmup: 5, total: steps },
    optimizer: { kind: "adamw", weightDecay: 0.1 },
    checkpoints: { folder, interval: 30, keep: 1 },
    evaluation: { interval: 20 },
    logInterval: 10,
  };
}

// 4. What each rank does: `runThreads` calls `main` of this file on each of its threads. Under srun or mpirun,
// `joinWorld` of @tessera/collectives-mpi gives a process its world, and the rest stays.

export async function main(world: World, job: Job): Promise<number> {
  await chooseBackend(defaultBackend(), { ...process.env, OMP_NUM_THREADS: "1" });
  const run = await planRun(world, { ...createConfig(job), parallel: { tensor: 2, zeroStage: 1 } });
  const { trainLoss } = await trainRun(run);
  return trainLoss;
}

// 5. The checkpoint of four ranks, read by one, continues a prompt.

async function sample(job: Job, prompt: string): Promise<string> {
  await chooseBackend(defaultBackend(), process.env);
  const resume = latestCheckpoint(job.folder);
  const { checkpoints: _folder, ...config } = createConfig(job);
  const { params } = startRun(await planRun(singleWorld(), { ...config, resume }));
  const engine = modelEngine(gpt(modelConfig), params, modelConfig);
  const sampling = { ...greedy, temperature: 0.7, seed: 1 };
  let text = prompt;
  for await (const piece of generate(engine, createTokenizer(job.text), {
    prompt,
    maxTokens: 40,
    sampling,
  })) {
    text += piece;
  }
  return text;
}

if (isMainThread) {
  const file = process.argv[2] ?? new URL("sonnets.txt", import.meta.url);
  const job = {
    text: readFileSync(file, "utf8"),
    folder: mkdtempSync(join(tmpdir(), "train-tiny-")),
  };
  const [trainLoss] = await runThreads<number>({
    program: new URL(import.meta.url),
    ranks: 4,
    data: job,
  });
  console.log(trainLoss! < 3); // prints: true
  console.log(await sample(job, "Shall I compare"));
  rmSync(job.folder, { recursive: true });
}
