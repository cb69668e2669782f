// The tensor-parallel suite: ranks of one thread over which each layer is sharded, beside one rank of as many
// threads, at 124M.

import { choice, number, toggle } from "@tessera/config";
import { output, suite, writeResults } from "./shared/suite.mjs";
import { caseNamed, caseNames, gpt2 } from "./training/cases.mjs";
import { runAlone, startOurs } from "./training/sides.mjs";

/** @typedef {Awaited<ReturnType<typeof measure>>} Result */

const program = {
  name: "bench tensor",
  summary: "Times tensor-parallel training steps: ranks of one thread on this machine.",
  groups: {
    Cases: {
      case: choice("which model", caseNames, gpt2.name),
      ranks: number("tensor-parallel ranks", { min: 2, whole: true }, 2),
      sequence_parallel: toggle("shard the tokens too, outside of the products", false),
      precision: choice("how activations are stored", ["fp32", "bf16"], "fp32"),
      steps: number(
        "timed steps of each side, after two that are not, twice",
        { min: 1, whole: true },
        3,
      ),
    },
    Output: output,
  },
};

/**
 * @param {object} flags
 * @param {string} flags.case
 * @param {number} flags.ranks
 * @param {"fp32" | "bf16"} flags.precision
 * @param {number} flags.steps
 * @param {boolean} flags.sequence_parallel
 */
async function measure({ case: name, ranks, precision, steps, sequence_parallel: sequence }) {
  const { batch, time, model } = caseNamed(name);
  const common = { batch, time, model, case: name, precision };
  const sides = [
    () => startOurs({ ...common, ranks: 1, threads: ranks }),
    () => startOurs({ ...common, ranks, threads: 1, tensor: ranks, sequence }),
  ];
  const [one, many] = await runAlone(sides, steps);
  return {
    case: name,
    precision,
    ranks,
    sequenceParallel: sequence,
    secondsPerStep: many.seconds,
    oneRankSecondsPerStep: one.seconds,
    ofOneRank: one.seconds / many.seconds,
    hiddenCommunication: many.hidden ?? 0,
    peakBytes: many.peakBytes,
    oneRankPeakBytes: one.peakBytes,
  };
}

/** @param {number} bytes */
const gigabytes = (bytes) => `${(bytes / 2 ** 30).toFixed(2)} GB`;

/** @param {Result} result */
const describe = ({ case: name, precision, ranks, sequenceParallel, ...of }) =>
  `${name} ${precision}, tensor parallel ${ranks}${sequenceParallel ? " with sequence parallel" : ""}: ` +
  `${of.secondsPerStep.toFixed(2)} s a step (${gigabytes(of.peakBytes)} a rank), one rank of ${ranks} ` +
  `threads ${of.oneRankSecondsPerStep.toFixed(2)} s (${gigabytes(of.oneRankPeakBytes)})\n` +
  `${of.ofOneRank.toFixed(3)} of its speed; ` +
  `${(100 * of.hiddenCommunication).toFixed(0)}% of communication overlapped with computation`;

export const run = suite(program, async (flags) => {
  const result = await measure(flags);
  process.stdout.write(`${describe(result)}\n`);
  writeResults(flags.json, [result]);
});
