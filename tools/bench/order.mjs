// The suite of the order of sums: steps of data-parallel ranks that add gradients in the order of the global batch, beside
// steps that sum what a rank has first. They are interleaved. One rank has one order.

import { availableParallelism } from "node:os";
import { choice, number } from "@tessera/config";
import { output, suite, writeResults } from "./shared/suite.mjs";
import { STAGES, caseNamed, caseNames } from "./training/cases.mjs";
import { interleave, startOurs } from "./training/sides.mjs";

const count = { min: 1, whole: true };
const program = {
  name: "bench order",
  summary:
    "Times data-parallel steps whose sums have a fixed order, beside steps whose sums are free.",
  groups: {
    Cases: {
      case: choice("the model", caseNames, "gpt2-124M"),
      precision: choice("how activations are stored", ["fp32", "bf16"], "fp32"),
      accumulation: number("microbatches of a rank", count, 4),
      ranks: number("data-parallel ranks, which share the processors", { min: 2, whole: true }, 2),
      zero_stage: choice("what they shard", ["0", "1", "2", "3"], "0"),
      steps: number("timed steps of each side, after two that are not", count, 5),
    },
    Output: output,
  },
};

export const run = suite(program, async (flags) => {
  const { case: name, precision, accumulation, ranks, zero_stage, steps, json } = flags;
  const { name: _name, ...sizes } = caseNamed(name);
  const threads = Math.max(1, Math.floor(availableParallelism() / ranks));
  const common = { precision, accumulation, ranks, threads, stage: STAGES[zero_stage] };
  const sides = /** @type {const} */ (["free", "fixed"]).map((sumOrder) =>
    startOurs({ ...sizes, case: name, ...common, sumOrder }),
  );
  const [free, fixed] = await interleave(sides, steps);
  const cost = fixed.seconds / free.seconds - 1;
  const memory = fixed.peakBytes / free.peakBytes;
  process.stdout.write(
    `${name} ${precision}, ${ranks} x ${accumulation} microbatches, ZeRO ${zero_stage}: ` +
      `${fixed.seconds.toFixed(3)} s in fixed order, ${free.seconds.toFixed(3)} s in free order; ` +
      `${(100 * cost).toFixed(1)}% more time, ${memory.toFixed(2)} times the memory\n`,
  );
  const seconds = { fixed: fixed.seconds, free: free.seconds };
  writeResults(json, [{ case: name, ...common, seconds, cost, memory }]);
});
