// The tensor-parallel suite: ranks of one thread that share each layer, beside one rank of as many
// threads, at 124M.

import { writeFileSync } from "node:fs";
import { choice, endWith, number, parseFlags, text, toggle } from "@tessera/config";
import { cases } from "./training/cases.mjs";
import { eachAlone, ranksOf } from "./training/sides.mjs";

const program = {
  name: "bench tensor",
  summary: "Times tensor-parallel training steps: ranks of one thread on this machine.",
  groups: {
    Cases: {
      case: choice(
        "which model",
        cases.map(({ name }) => name),
        "gpt2-124M",
      ),
      ranks: number("how many ranks share each layer", { min: 2, whole: true }, 2),
      sequence_parallel: toggle("share the tokens too, outside of the products", false),
      precision: choice("how activations are stored", ["fp32", "bf16"], "fp32"),
      steps: number(
        "timed steps of each side, after two that are not, twice",
        { min: 1, whole: true },
        3,
      ),
    },
    Output: { json: text("writes the results as JSON", "FILE") },
  },
};

async function main(argv) {
  const parsed = parseFlags(program, argv);
  if ("help" in parsed) {
    process.stdout.write(parsed.help);
    return 0;
  }
  const { ranks, precision, steps, json, sequence_parallel: sequence } = parsed.values;
  const { name, ...sizes } = cases.find((one) => one.name === parsed.values.case);
  const common = { ...sizes, case: name, backend: "native", precision };
  const sides = [
    () => ranksOf({ ...common, ranks: 1, threads: ranks }),
    () => ranksOf({ ...common, ranks, threads: 1, tensor: ranks, sequence }),
  ];
  const [one, many] = await eachAlone(sides, steps);
  const result = {
    case: name,
    precision,
    ranks,
    sequenceParallel: sequence,
    secondsPerStep: many.seconds,
    oneRankSecondsPerStep: one.seconds,
    ofOneRank: one.seconds / many.seconds,
    hiddenCommunication: many.hidden,
    peakBytes: many.peakBytes,
    oneRankPeakBytes: one.peakBytes,
  };
  process.stdout.write(`${told(result)}\n`);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify([result], null, 2)}\n`);
  return 0;
}

const gigabytes = (bytes) => `${(bytes / 2 ** 30).toFixed(2)} GB`;

const told = ({ case: name, precision, ranks, sequenceParallel, ...of }) =>
  `${name} ${precision}, tensor parallel ${ranks}${sequenceParallel ? " with sequence parallel" : ""}: ` +
  `${of.secondsPerStep.toFixed(2)} s a step (${gigabytes(of.peakBytes)} a rank), one rank of ${ranks} ` +
  `threads ${of.oneRankSecondsPerStep.toFixed(2)} s (${gigabytes(of.oneRankPeakBytes)})\n` +
  `${of.ofOneRank.toFixed(3)} of its speed; ` +
  `${(100 * of.hiddenCommunication).toFixed(0)}% of communication passed behind computation`;

export const run = (argv) => endWith("bench", () => main(argv));
