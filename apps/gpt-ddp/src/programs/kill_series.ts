// Programs that are killed at random moments, and started again until they are done: what comes out is, to the bit, what
// comes out of one that was never killed, and nothing else is left.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { markProcesses, runNode, seededRandom, type RandomNumber } from "@tessera/testing";

const MAIN = join(__dirname, "../../dist/main.js");
const TESSERA = join(__dirname, "../../../tessera/dist/main.js");

const STEPS = 12;

/** A job that writes into `folder`; `data` has what it reads. */
interface Job {
  readonly name: string;
  /** How often it is drawn, among all. */
  readonly share: number;
  readonly ranks: number;
  readonly words: (data: string, folder: string) => readonly string[];
  /** Lines in which the figures that must be the same are; others have times in them. */
  readonly isCompared: (file: string) => boolean;
  /** What it prints when something begins, a moment after which it is killed at times. */
  readonly moments: readonly RegExp[];
}

const TRAINING = [
  ...["--model", "tiny", "--n_layer", "1", "--n_embd", "16", "--n_head", "2", "--max_len", "16"],
  ...["--per_device_train_batch_size", "4", "--dropout", "0.1", "--max_steps", String(STEPS)],
  ...["--logging_steps", "1", "--save_steps", "3", "--keep", "2", "--sample_len", "0"],
  ...["--eval_steps", "0", "--warmup_steps", "2", "--resume_from_checkpoint", "auto"],
];

const train = (ranks: number, share: number, source: "text" | "dataset"): Job => ({
  name: `training on ${source}, ${ranks} ranks`,
  share,
  ranks,
  words: (data, folder) => [
    ...(ranks === 1
      ? []
      : [TESSERA, "launch", "--nproc-per-node", String(ranks), "--", process.execPath]),
    ...[MAIN, ...TRAINING, "--output_dir", join(folder, "out"), "--gradient_accumulation_steps"],
    ...[String(4 / ranks), "--zero_stage", ranks === 2 ? "2" : "0"],
    ...(source === "text"
      ? ["--text", join(data, "text.txt")]
      : ["--tokenizer", "gpt2", "--data_path", join(data, "corpus_text_document")]),
    ...(source === "text"
      ? []
      : ["--data_cache_path", join(folder, "cache"), "--split", "90,10,0"]),
  ],
  isCompared: (file) => !file.includes("checkpoint-"),
  moments: [
    /memory/,
    /step 1\//,
    /saved .*-3 /,
    /step 8\//,
    /step 12\//,
    /saved .*-12 /,
    /model .*lay/,
  ],
});

const JOBS: readonly Job[] = [
  train(1, 0.5, "text"),
  train(2, 0.14, "text"),
  train(4, 0.04, "text"),
  train(1, 0.12, "dataset"),
  {
    name: "preprocess",
    share: 0.12,
    ranks: 1,
    words: (data, folder) => [
      ...[TESSERA, "preprocess", "--input", join(data, "text.txt"), "--workers", "2"],
      ...["--output-prefix", join(folder, "corpus")],
    ],
    isCompared: () => true,
    moments: [],
  },
  {
    name: "index",
    share: 0.08,
    ranks: 1,
    words: (data, folder) => [
      ...[TESSERA, "data", "order", join(data, "corpus_text_document"), "--num-samples", "2000000"],
      ...["--seq-length", "32", "--data-cache-path", join(folder, "cache")],
    ],
    isCompared: () => true,
    moments: [],
  },
];

/** Makes what the jobs read, in `data`. */
function makeData(data: string, draw: RandomNumber): void {
  mkdirSync(data, { recursive: true });
  const words = Array.from({ length: 400 }, () => Math.floor(draw() * 36 ** 5).toString(36));
  const drawn = Array.from(
    { length: 16_000 },
    () => words[Math.floor(draw() ** 2 * words.length)]!,
  );
  writeFileSync(join(data, "text.txt"), drawn.join(" "));
  const made = runNode([
    ...[TESSERA, "preprocess", "--input", join(data, "text.txt"), "--append-eod"],
    ...["--output-prefix", join(data, "corpus")],
  ]);
  if (made.status !== 0) throw new Error(made.stderr);
}

interface Outcome {
  readonly isKilled: boolean;
  readonly code: number | null;
  readonly output: string;
}

/** Starts `job`, and kills one or more of its ranks at a moment that `draw` chooses; without it, lets it end. */
async function runJob(
  job: Job,
  data: string,
  folder: string,
  draw?: RandomNumber,
): Promise<Outcome> {
  const { env, numbers } = markProcesses();
  const child = spawn(process.execPath, job.words(data, folder), {
    env: { ...env, OMP_NUM_THREADS: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let killed = 0;
  const closed = once(child, "close");
  const kill = (random: RandomNumber): void => {
    if (child.exitCode !== null) return;
    const ranks = numbers()
      .map(Number)
      .filter((id) => job.ranks === 1 || isRank(id));
    const isAll = random() < 0.3;
    const first = Math.floor(random() * ranks.length);
    killed += (isAll ? ranks : ranks.slice(first, first + 1)).filter(killOne).length;
  };
  const moment = draw && job.moments[Math.floor(draw() * 2 * job.moments.length)];
  const collect = (text: string): void => {
    const isBefore = !moment?.test(output);
    output += text;
    if (draw && isBefore && moment?.test(output)) setTimeout(kill, draw() * 60, draw);
  };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", collect);
  if (draw && moment === undefined) {
    setTimeout(kill, draw() * UNLOADED_MS * Math.sqrt(job.ranks), draw);
  }
  const [code] = (await closed) as [number | null];
  while (killed > 0 && numbers().length > 0) await sleep(20); // ranks that MPI ends
  return { isKilled: killed > 0, code, output };
}

/** A little longer than a job of one rank takes. */
const UNLOADED_MS = 2500;

const isRank = (id: number): boolean => {
  try {
    return (
      readFileSync(`/proc/${id}/environ`, "latin1").includes("OMPI_COMM_WORLD_RANK=") &&
      readFileSync(`/proc/${id}/cmdline`, "latin1").includes(MAIN)
    );
  } catch {
    return false;
  }
};

function killOne(id: number): boolean {
  try {
    return process.kill(id, "SIGKILL");
  } catch {
    return false;
  }
}

/** All files under `folder`, with what must be the same in them. */
function contentsOf(folder: string, job: Job, under = ""): readonly (readonly [string, string])[] {
  return readdirSync(join(folder, under))
    .sort()
    .flatMap((name): readonly (readonly [string, string])[] => {
      const path = join(under, name);
      if (statSync(join(folder, path)).isDirectory()) return contentsOf(folder, job, path);
      const bytes = readFileSync(join(folder, path));
      if (!job.isCompared(path)) return [[path, ""]];
      return [
        [path, name === "metrics.jsonl" ? figuresIn(bytes.toString()) : bytes.toString("latin1")],
      ];
    });
}

const figuresIn = (text: string): string =>
  text.replaceAll(/"tokens_per_second":[^,}]*/g, '"tokens_per_second":0');

/** Kills `kills` times. Throws where what comes out is another, or something is left. Returns kills by job. */
export async function killSeries(
  folder: string,
  {
    kills,
    seed,
    say,
  }: { readonly kills: number; readonly seed: number; readonly say: (text: string) => void },
): Promise<Readonly<Record<string, number>>> {
  const draw = seededRandom(seed);
  const data = join(folder, "data");
  makeData(data, draw);
  const counts: Record<string, number> = {};
  const expected = new Map<string, readonly (readonly [string, string])[]>();
  for (let done = 0; done < kills;) {
    const job = drawJob(draw);
    const at = join(folder, "job");
    if (!expected.has(job.name)) expected.set(job.name, await runWhole(job, data, at));
    rmSync(at, { recursive: true, force: true });
    mkdirSync(at);
    while (done < kills) {
      const outcome = await runJob(job, data, at, draw);
      if (!outcome.isKilled) break;
      done += 1;
      counts[job.name] = (counts[job.name] ?? 0) + 1;
      if (done % 25 === 0) say(`${done} of ${kills} kills`);
    }
    // At the latest now it comes to its end; where it did already, it finds that.
    const { code, output } = await runJob(job, data, at);
    if (code !== 0) throw new Error(`${job.name}, kill ${done}: code ${code}: ${output}`);
    compare(job, done, expected.get(job.name)!, contentsOf(at, job));
  }
  return counts;
}

function drawJob(draw: RandomNumber): Job {
  let left = draw() * JOBS.reduce((sum, { share }) => sum + share, 0);
  return JOBS.find(({ share }) => (left -= share) < 0) ?? JOBS[0]!;
}

async function runWhole(job: Job, data: string, at: string) {
  rmSync(at, { recursive: true, force: true });
  mkdirSync(at);
  const { code, output } = await runJob(job, data, at);
  if (code !== 0) throw new Error(`${job.name}: code ${code}: ${output}`);
  return contentsOf(at, job);
}

function compare(
  { name }: Job,
  kill: number,
  expected: readonly (readonly [string, string])[],
  found: readonly (readonly [string, string])[],
): void {
  const names = (files: typeof found) => files.map(([path]) => path).join(" ");
  if (names(found) !== names(expected)) {
    throw new Error(`${name}, kill ${kill}: left ${names(found)}, not ${names(expected)}`);
  }
  found.forEach(([path, content], i) => {
    if (content === expected[i]![1]) return;
    throw new Error(
      `${name}, kill ${kill}: ${path} is not what it is without kills:\n${content.slice(0, 2000)}`,
    );
  });
}
