// The pipeline suite: the part of their time in which equal stages of one thread wait, beside what the
// schedule foretells of actions that take as long as these did.

import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { runThreads } from "@tessera/collectives";
import { endWith, number, parseFlags, text, UserError } from "@tessera/config";
import { scheduleKinds, createSchedules, simulate } from "@tessera/pipeline-parallel";
import { medianOf } from "./training/median.mjs";

const count = { min: 1, whole: true };
const program = {
  name: "bench pipeline",
  summary: "Times the schedules of a pipeline: stages of one thread on this machine.",
  groups: {
    Cases: {
      stages: number("stages, each on a processor of its own", { min: 2, whole: true }, 2),
      micros: number("micro-batches of a step; a multiple of the stages", count, 8),
      layers: number("linear layers of each stage; an even number", count, 4),
      width: number("of each layer", count, 768),
      rows: number("of a micro-batch", count, 1024),
      steps: number("timed steps, after one that is not", count, 5),
    },
    Output: { json: text("writes the results as JSON", "FILE") },
  },
};

const sum = (values) => values.reduce((a, b) => a + b, 0);

function resultOf({ kind, chunks, micros, steps }, ranks) {
  const stages = ranks.length;
  const lengths = Array.from({ length: steps }, (_, i) =>
    Math.max(...ranks.map(({ lengths: of }) => of[i])),
  );
  const busy = sum(ranks.map(({ spent }) => sum(Object.values(spent).flat())));
  const measured = 1 - busy / (sum(lengths) * stages);
  const took = (action, stage) => medianOf(ranks[stage].spent[action.kind]);
  const { bubble } = simulate(
    createSchedules(kind, { stages, microbatches: micros, chunks }),
    took,
  );
  return { kind, chunks, secondsPerStep: medianOf(lengths), measured, predicted: bubble };
}

async function main(argv) {
  const parsed = parseFlags(program, argv);
  if ("help" in parsed) {
    process.stdout.write(parsed.help);
    return 0;
  }
  const { json, stages, ...sizes } = parsed.values;
  if (stages > availableParallelism()) {
    throw new UserError(
      `--stages ${stages}: this machine has ${availableParallelism()} processors, and stages that share ` +
        "one wait for each other; the tests of pipeline-parallel prove schedules by simulated time",
    );
  }
  const jobs = scheduleKinds.map((kind) => ({
    ...sizes,
    kind,
    chunks: kind === "interleaved" ? 2 : 1,
  }));
  const stage = new URL("./pipeline/stage.mjs", import.meta.url);
  const ranks = await runThreads({ program: stage, ranks: stages, data: jobs });
  if (ranks[0] === null) throw new UserError("the native engine is not built: npm run setup");
  const results = jobs.map((job, i) =>
    resultOf(
      job,
      ranks.map((rank) => rank[i]),
    ),
  );
  for (const one of results) process.stdout.write(`${told(one)}\n`);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, null, 2)}\n`);
  return 0;
}

const told = ({ kind, secondsPerStep, measured, predicted }) =>
  `${kind.padEnd(12)} ${(1000 * secondsPerStep).toFixed(1)} ms a step, waits ` +
  `${(100 * measured).toFixed(1)}% of it, foretold ${(100 * predicted).toFixed(1)}%: ` +
  `${(measured / predicted).toFixed(2)} of that`;

export const run = (argv) => endWith("bench", () => main(argv));
