// The matrix of layouts that must train as one rank does, and a selection of it in which every two choices
// of different kinds meet.

import { scheduleKinds, type ScheduleKind } from "@tessera/pipeline-parallel";
import type { Layout } from "./layouts.js";

const recomputed = {
  nothing: undefined,
  attention: "attention",
  units: { kind: "uniform", layers: 2 },
  block: { kind: "block", layers: 1 },
} as const;

const RAMP = { start: 16, increment: 8, samples: 96 };

/** The golden run with AdamW: fixtures/golden/expected.json has its losses and norms. */
const GOLDEN = { rows: 8, rate: { peak: 3e-3, warmup: 0 } };

/** What is trained. Micro-batches are as many as the interleaved schedule needs, also where batches grow. */
const runs = {
  golden: { ...GOLDEN, accumulation: 4, dropout: 0 },
  dropout: { ...GOLDEN, accumulation: 4, dropout: 0.1 },
  ramp: { accumulation: 16, dropout: 0, ramp: RAMP },
} as const satisfies Record<string, Partial<Layout>>;

/** A choice of each kind. */
export interface Choice {
  readonly data: 1 | 2;
  readonly tensor: 1 | 2;
  readonly pipeline: 1 | 2 | 4;
  readonly schedule: ScheduleKind | "none";
  readonly sequence: boolean;
  readonly recompute: keyof typeof recomputed;
  readonly distributedOptimizer: boolean;
  readonly run: keyof typeof runs;
}

const kinds = {
  data: [1, 2],
  tensor: [1, 2],
  pipeline: [1, 2, 4],
  schedule: [...scheduleKinds, "none"],
  sequence: [false, true],
  recompute: Object.keys(recomputed) as (keyof typeof recomputed)[],
  distributedOptimizer: [false, true],
  run: Object.keys(runs) as (keyof typeof runs)[],
} as const satisfies { readonly [K in keyof Choice]: readonly Choice[K][] };

export const ranksOf = ({ data, tensor, pipeline }: Choice): number => data * tensor * pipeline;

const MOST_RANKS = 8;

const isPossible = (choice: Choice): boolean =>
  ranksOf(choice) <= MOST_RANKS &&
  (choice.schedule === "none") === (choice.pipeline === 1) &&
  (!choice.sequence || choice.tensor > 1) &&
  (!choice.distributedOptimizer || choice.data > 1);

/** All choices that go together. */
const everything: readonly Choice[] = Object.entries(kinds)
  .reduce<readonly Partial<Choice>[]>(
    (partial, [kind, values]) =>
      partial.flatMap((one) => values.map((value) => ({ ...one, [kind]: value }))),
    [{}],
  )
  .map((choice) => choice as Choice)
  .filter(isPossible);

/** Every layout, each with one of the runs, in turn. */
export const whole: readonly Choice[] = kinds.run.flatMap((run, turn) =>
  everything
    .filter((choice) => choice.run === run)
    .filter((_choice, index) => index % kinds.run.length === turn),
);

/** "data 2 & sequence true", for every two of a choice. */
function pairsOf(choice: Choice): string[] {
  const said = Object.entries(choice).map(([kind, value]) => `${kind} ${value}`);
  return said.flatMap((one, i) => said.slice(i + 1).map((other) => `${one} & ${other}`));
}

/** Few layouts that have among them every two choices that any layout has: the one with most new ones first. */
export function selection(): Choice[] {
  const left = new Set(everything.flatMap(pairsOf));
  const chosen: Choice[] = [];
  const news = (choice: Choice): number => pairsOf(choice).filter((pair) => left.has(pair)).length;
  while (left.size > 0) {
    const best = everything.reduce((a, b) => (news(b) > news(a) ? b : a));
    chosen.push(best);
    for (const pair of pairsOf(best)) left.delete(pair);
  }
  return chosen;
}

/** Four stages of two parts need eight layers; the golden model has four. */
const needsMore = ({ schedule, pipeline }: Choice): boolean =>
  schedule === "interleaved" && pipeline === 4;

const STEPS = { steps: 20, bucketBytes: 2 ** 12, stage: 0 } as const;
/** Eight drawn layers, which grow unstable at the golden rate: rounding then takes each run its own way. */
const DEEPER = { changes: { layerCount: 8 }, rate: { peak: 3e-4, warmup: 4 } };

/** The golden run on one rank. */
export const goldenRun: Layout = { ...STEPS, ...runs.golden };

/** What one rank trains in the place of a choice. */
export const aloneOf = (choice: Choice): Layout => ({
  ...STEPS,
  ...runs[choice.run],
  ...(needsMore(choice) && DEEPER),
});

export const layoutOf = (choice: Choice): Layout => {
  const { tensor, pipeline, schedule, sequence } = choice;
  const recompute = recomputed[choice.recompute];
  return {
    ...aloneOf(choice),
    stage: choice.distributedOptimizer ? 1 : 0,
    tensor,
    pipeline,
    sequence,
    ...(schedule !== "none" && { schedule }),
    ...(schedule === "interleaved" && { chunks: 2 }),
    ...(recompute && { recompute }),
  };
};
