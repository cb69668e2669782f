// The pipeline suite: the measured bubble of equal stages of one thread, beside the one that the simulator predicts
// for actions that take as long as these did.

import { availableParallelism } from "node:os";
import { runThreads } from "@tessera/collectives";
import { number, UserError } from "@tessera/config";
import { scheduleKinds, createSchedules, simulate } from "@tessera/pipeline-parallel";
import { medianOf } from "./shared/median.mjs";
import { output, suite, writeResults } from "./shared/suite.mjs";

/** @typedef {import("./pipeline/stage.mjs").Job} Job */
/** @typedef {import("./pipeline/stage.mjs").Timing} Timing */
/** @typedef {ReturnType<typeof resultOf>} Result */

const count = { min: 1, whole: true };
const program = {
  name: "bench pipeline",
  summary: "Times the schedules of a pipeline: stages of one thread on this machine.",
  groups: {
    Cases: {
      stages: number("stages, each on a processor of its own", { min: 2, whole: true }, 2),
      micros: number("microbatches of a step; a multiple of the stages", count, 8),
      layers: number("linear layers of each stage; an even number", count, 4),
      width: number("of each layer", count, 768),
      rows: number("of a microbatch", count, 1024),
      steps: number("timed steps, after one that is not", count, 5),
    },
    Output: output,
  },
};

/** @param {readonly number[]} values */
const sum = (values) => values.reduce((a, b) => a + b, 0);

/**
 * @param {Job} job
 * @param {readonly Timing[]} ranks
 */
function resultOf({ kind, chunks, micros, steps }, ranks) {
  const stages = ranks.length;
  const lengths = Array.from({ length: steps }, (_, i) =>
    Math.max(...ranks.map(({ lengths: of }) => of[i])),
  );
  const busy = sum(ranks.map(({ spent }) => sum(Object.values(spent).flat())));
  const measured = 1 - busy / (sum(lengths) * stages);
  /**
   * @param {import("@tessera/pipeline-parallel").Action} action
   * @param {number} stage
   */
  const took = (action, stage) => medianOf(ranks[stage].spent[action.kind]);
  const { bubble } = simulate(
    createSchedules(kind, { stages, microbatches: micros, chunks }),
    took,
  );
  return { kind, chunks, secondsPerStep: medianOf(lengths), measured, predicted: bubble };
}

export const run = suite(program, async (flags) => {
  const { json, stages, ...sizes } = flags;
  if (stages > availableParallelism()) {
    throw new UserError(
      `--stages ${stages}: this machine has ${availableParallelism()} processors, and stages on the ` +
        "same one wait for each other; the tests of pipeline-parallel check schedules in simulated time",
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
  for (const one of results) process.stdout.write(`${describe(one)}\n`);
  writeResults(json, results);
});

/** @param {Result} result */
const describe = ({ kind, secondsPerStep, measured, predicted }) =>
  `${kind.padEnd(12)} ${(1000 * secondsPerStep).toFixed(1)} ms a step, waits ` +
  `${(100 * measured).toFixed(1)}% of it, predicted ${(100 * predicted).toFixed(1)}%: ` +
  `${(measured / predicted).toFixed(2)} of that`;
