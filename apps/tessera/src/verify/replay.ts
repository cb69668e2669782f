// tessera replay: a step of a run once more, beside what its log says of it.

import { runThreads, singleWorld } from "@tessera/collectives";
import { joinWorld } from "@tessera/collectives-mpi";
import { choice, EXIT, number, text, UserError } from "@tessera/config";
import { backendNames, defaultBackend } from "@tessera/engines";
import { readText } from "@tessera/files";
import { bind, resolveSize } from "@tessera/launcher";
import type { Metrics } from "@tessera/trainer/report";
import { defineLauncher } from "../command.js";
import { findRun } from "./find_run.js";
import { replayHere, type Replayed, type ReplayRequest } from "./replay_here.js";
import { checkThreads, onRank } from "./ranks.js";

const count = { min: 1, whole: true } as const;

const program = {
  name: "tessera replay",
  summary:
    "Runs a step of a run again, from the checkpoint before it, and compares it with the log.",
  epilogue: [
    "The norm of its gradients, and where the run has --log-weights-hash all weights, must be the same bits. That needs",
    "the run's layout, engine and kind of processor. Nothing is saved. The exit code is 1 where anything differs.",
    "",
    "Example: tessera replay --step 1200 --ranks 2 --log outputs/metrics.jsonl -- tessera-gpt-ddp --text my.txt",
  ].join("\n"),
  groups: {
    Replay: {
      step: number("the step", count),
      log: text("the run's lines of figures: metrics.jsonl, or what --metrics-file names", "FILE"),
      checkpoint: text("start from this. Default: the run's last one before the step", "FOLDER"),
    },
    Ranks: {
      ranks: number("ranks to start as threads", { ...count, max: 512 }, 1),
      backend: choice("what computes. Default: the fastest that is there", backendNames),
    },
  },
} as const;

export const replay = defineLauncher(program, async ({ values }, words) => {
  const { step, log, checkpoint, ranks } = values;
  if (step === undefined) throw new UserError("tessera replay: --step N says which step");
  const logged = log === undefined ? null : lineOf(log, step);
  const environment = bind(process.env);
  const request: ReplayRequest = {
    program: findRun(words, "replay"),
    backend: values.backend ?? defaultBackend(environment),
    step,
    checkpoint,
  };
  const write = (line: string): boolean => process.stdout.write(line);
  if (resolveSize(process.env) > 1) {
    const world = joinWorld(process.env, { timeoutMinutes: 10 });
    const replayed = await onRank(world, () => replayHere(world, request, environment));
    return conclude(replayed, logged, world.rank === 0 ? write : () => true);
  }
  // Alone it has all threads, as the run had.
  if (ranks === 1)
    return conclude(await replayHere(singleWorld(), request, environment), logged, write);
  checkThreads(ranks);
  const rank = new URL("./replay_here.js", import.meta.url);
  const [replayed] = await runThreads<Replayed>({ program: rank, ranks, data: request });
  return conclude(replayed!, logged, write);
});

const MAX_LOG_BYTES = 2 ** 30;

/** The figures of `step` in a file of JSON lines. */
function lineOf(file: string, step: number): Metrics {
  const lines = readText(file, MAX_LOG_BYTES).split("\n");
  const found = lines
    .filter((line) => line.includes(`"step":${step},`))
    .flatMap(parseLine)
    .find((metrics) => metrics["step"] === step && metrics["grad_norm"] !== undefined);
  if (found !== undefined) return found;
  throw new UserError(
    `${file}: has no figures of step ${step}; choose a step that was logged, or leave --log out`,
  );
}

/** A killed run may have written half of a line. */
function parseLine(line: string): readonly Metrics[] {
  try {
    return [JSON.parse(line) as Metrics];
  } catch {
    return [];
  }
}

/** Figures that are of one step, and not a mean over those since the line before. */
const COMPARED = ["grad_norm", "weights_hash"] as const;

function conclude(
  { checkpoint, figures }: Replayed,
  logged: Metrics | null,
  write: (line: string) => unknown,
): number {
  const { step, loss, grad_norm: norm, weights_hash: hash } = figures;
  write(`from    ${checkpoint}\n`);
  write(`step    ${step}: loss ${loss}, grad_norm ${norm}, weights_hash ${hash}\n`);
  if (logged === null) return EXIT.done;
  const there = COMPARED.filter((name) => logged[name] !== undefined);
  const other = there.filter((name) => logged[name] !== figures[name]);
  const said = other.map((name) => `${name} ${logged[name]}`).join(", ");
  write(
    other.length === 0 ? `log     the same ${there.join(" and ")}\n` : `log     differs: ${said}\n`,
  );
  return other.length === 0 ? EXIT.done : EXIT.failed;
}
