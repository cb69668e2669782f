// A layout in a line: "pipeline 2 (1f1b) x data 2 (ZeRO 1) x tensor 2 (sequence)".

import type { ResolvedParallel } from "../parallel_config.js";

/** The axes of `parallel` that have several ranks, and what is special about each. */
export function describeLayout(parallel: ResolvedParallel): string {
  const { pipeline, chunks, schedule, data, zeroStage, axes, tensor, sequence } = parallel;
  const said = [
    [
      "pipeline",
      pipeline,
      chunks > 1 ? ` (${schedule}, ${chunks} chunks a stage)` : ` (${schedule})`,
    ],
    ["data", data, zeroStage > 0 ? ` (ZeRO ${zeroStage})` : ""],
    ...axes.map(({ name, degree }) => [name, degree, ""] as const),
    ["tensor", tensor, sequence ? " (sequence)" : ""],
  ] as const;
  const several = said.filter(([, degree]) => degree > 1);
  if (several.length === 0) return "one rank";
  return several.map(([name, degree, more]) => `${name} ${degree}${more}`).join(" x ");
}
