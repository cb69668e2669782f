// A verdict as text.

import type { Difference, Fault, Verdict } from "@tessera/trainer/verify";

/** "gradient of blocks.3.mlp.feed.down.bias, step 1". */
const nameOf = ({ kind, path, when }: Pick<Difference, "kind" | "path" | "when">): string =>
  path === "" ? `${kind}, ${when}` : `${kind} of ${path}, ${when}`;

/** The same, and where it was found: "loss, step 3, on rank 0, where one rank continues, in fp32". */
export const nameFault = (fault: Fault): string =>
  `${nameOf(fault)}, on rank ${fault.rank}, ${fault.phase}, in ${fault.storage}`;

const figure = (value: number): string => value.toExponential(1);
const count = (value: number): string => Math.round(value).toLocaleString("en-US");

/** Kinds in the table, in its order. */
const LABELS = {
  output: "outputs of layers",
  "input gradient": "gradients of their inputs",
  "output gradient": "gradient of the last output",
  gradient: "gradients of parameters",
  loss: "losses",
  "gradient norm": "gradient norms",
  update: "updates of parameters",
} as const;

/** `verdict` in lines; `ranks` says what they are: "4 threads". */
export function describeVerdict(verdict: Verdict, ranks: string): readonly string[] {
  const { layout, notes, fault } = verdict;
  return [
    `layout    ${layout}; ${ranks}`,
    ...notes.map((note) => `in small  ${note}`),
    "",
    ...tableOf(verdict),
    "",
    ...(fault === null
      ? ["All ranks together compute what one rank computes."]
      : faultLines(verdict)),
  ];
}

function tableOf({ summaries }: Verdict): readonly string[] {
  const rows = Object.entries(summaries).flatMap(([storage, summary]) =>
    Object.entries(LABELS).flatMap(([kind, label]) => {
      const found = summary[kind as keyof typeof LABELS];
      if (found === undefined) return [];
      const { compared, apart, allowed } = found;
      return [[`${storage}  ${label}`, count(compared), figure(apart), figure(allowed)]];
    }),
  );
  const table = [["", "compared", "apart by", "rounding may"], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  "),
  );
}

function faultLines({ fault, differing }: Verdict): readonly string[] {
  const { apart, tolerance, ulps, crossings } = fault!;
  const far = Number.isFinite(apart)
    ? `apart by ${figure(apart)} of its size (${count(ulps)} ulps), where rounding may ${figure(tolerance)}`
    : "missing, of another shape, or not finite";
  return [
    `${count(differing)} differ. The first: ${nameFault(fault!)}`,
    `  ${far}`,
    ...crossings.map((crossing) => `  it has crossed ${crossing}`),
  ];
}
