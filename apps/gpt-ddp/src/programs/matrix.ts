// The matrix of layouts that must train as one rank does, and a selection of it in which every two choices
// of different kinds meet.

import type { SumOrder } from "@tessera/data-parallel";
import { scheduleKinds, type ScheduleKind } from "@tessera/pipeline-parallel";
import type { Layout } from "./layouts.js";

const recomputed = {
  nothing: undefined,
  attention: "attention",
  units: { kind: "uniform", layers: 2 },
  block: { kind: "block", layers: 1 },
} as const;

/** Two steps of 16 rows, then such of 32. */
const RAMP = { start: 16, increment: 16, samples: 32 };

/** The golden run with AdamW: fixtures/golden/expected.json has its losses and norms. */
const GOLDEN = { rows: 8, rate: { peak: 3e-3, warmup: 0 } };

/** Heads that share keys, and a vocabulary that ranks do not divide. */
const keyHeads = { headCount: 8, kvHeadCount: 2, vocabularySize: 389 } as const;

const gptj = {
  positions: { kind: "rotary", base: 10_000, fraction: 0.25, pairs: "neighbours" },
  parallelBlock: true,
  biases: { attention: false, mlp: true, head: true },
  tiedEmbeddings: false,
  vocabularySize: 389,
} as const;

const llama = {
  positions: { kind: "rotary", base: 10_000, fraction: 1, pairs: "halves" },
  activation: "swiglu",
  norm: "rms",
  kvHeadCount: 2,
  biases: { attention: false, mlp: false, head: false },
  tiedEmbeddings: false,
} as const;

/** What is trained, in so many micro-batches at most. The interleaved schedule needs as many as there are stages. */
const runs = {
  golden: { ...GOLDEN, accumulation: 4, dropout: 0 },
  "one micro-batch": { accumulation: 1, dropout: 0.1 },
  dropout: { accumulation: 4, dropout: 0.1 },
  ramp: { accumulation: 16, dropout: 0, ramp: RAMP },
  "key heads": { accumulation: 4, dropout: 0.1, changes: keyHeads },
  "GPT-J, masked": { accumulation: 4, dropout: 0.1, changes: gptj, masked: true },
  Llama: { accumulation: 4, dropout: 0, changes: llama },
} as const satisfies Record<string, Partial<Layout>>;

/** A choice of each kind. */
export interface Choice {
  readonly data: 1 | 2 | 4 | 8;
  readonly tensor: 1 | 2 | 4 | 8;
  readonly pipeline: 1 | 2 | 4;
  readonly schedule: ScheduleKind | "none";
  readonly sequence: boolean;
  readonly recompute: keyof typeof recomputed;
  readonly zero: Layout["stage"];
  readonly order: SumOrder;
  readonly run: keyof typeof runs;
}

const kinds = {
  data: [1, 2, 4, 8],
  tensor: [1, 2, 4, 8],
  pipeline: [1, 2, 4],
  schedule: [...scheduleKinds, "none"],
  sequence: [false, true],
  recompute: Object.keys(recomputed) as (keyof typeof recomputed)[],
  zero: [0, 1, 2, 3],
  order: ["fixed", "free"],
  run: Object.keys(runs) as (keyof typeof runs)[],
} as const satisfies { readonly [K in keyof Choice]: readonly Choice[K][] };

export const ranksOf = ({ data, tensor, pipeline }: Choice): number => data * tensor * pipeline;

const MOST_RANKS = 8;

/** Micro-batches have a row at least, so data-parallel ranks take fewer of a step with few rows. */
function accumulationOf({ data, run }: Choice): number {
  const { accumulation, rows = 32, ramp }: Partial<Layout> = runs[run];
  return Math.min(accumulation, (ramp?.start ?? rows) / data);
}

const isPossible = (choice: Choice): boolean => {
  const { data, tensor, pipeline, schedule, sequence, zero, order, run } = choice;
  return (
    ranksOf(choice) <= MOST_RANKS &&
    (schedule === "none") === (pipeline === 1) &&
    accumulationOf(choice) >= pipeline &&
    (!sequence || tensor > 1) &&
    ((zero === 0 && order === "fixed") || data > 1) &&
    (tensor < 8 || run === "key heads") // the others have four heads
  );
};

/** All choices that go together. */
export const everything: readonly Choice[] = Object.entries(kinds)
  .reduce<readonly Partial<Choice>[]>(
    (partial, [kind, values]) =>
      partial.flatMap((one) => values.map((value) => ({ ...one, [kind]: value }))),
    [{}],
  )
  .map((choice) => choice as Choice)
  .filter(isPossible);

/** A ninth of all layouts, each with one of the runs, in turn. */
export const larger: readonly Choice[] = kinds.run
  .flatMap((run, turn) =>
    everything
      .filter((choice) => choice.run === run)
      .filter((_choice, index) => index % kinds.run.length === turn),
  )
  .filter((_choice, index) => index % 9 === 0);

/** "sequence true", for each of a choice. */
const eachOf = (choice: Choice): string[] =>
  Object.entries(choice).map(([kind, value]) => `${kind} ${value}`);

/** "data 2 & sequence true", for every two of a choice. */
function pairsOf(choice: Choice): string[] {
  const said = eachOf(choice);
  return said.flatMap((one, i) => said.slice(i + 1).map((other) => `${one} & ${other}`));
}

/** Few layouts that have among them every two choices that any layout has. */
export const selection = (): Choice[] => covering(everything, pairsOf);

/** Fewer, of two ranks and of four: with each choice that any of these has. */
export const smallSelection = (): Choice[] =>
  covering(
    everything.filter((choice) => [2, 4].includes(ranksOf(choice))),
    eachOf,
  );

/**
 * Few of `choices` with all that `traitsOf` says of any: the one with most new traits first, and fewer ranks rather
 * than more, which take their time.
 */
function covering(choices: readonly Choice[], traitsOf: (choice: Choice) => string[]): Choice[] {
  const all = choices.map((choice) => ({
    choice,
    traits: traitsOf(choice),
    cost: 4 + ranksOf(choice),
  }));
  const left = new Set(all.flatMap(({ traits }) => traits));
  const chosen: Choice[] = [];
  const worth = ({ traits, cost }: (typeof all)[number]): number =>
    traits.filter((trait) => left.has(trait)).length / cost;
  while (left.size > 0) {
    const best = all.reduce((a, b) => (worth(b) > worth(a) ? b : a));
    chosen.push(best.choice);
    for (const trait of best.traits) left.delete(trait);
  }
  return chosen;
}

/** Four stages of two parts need eight layers; the golden model has four. */
const needsMore = ({ schedule, pipeline }: Choice): boolean =>
  schedule === "interleaved" && pipeline === 4;

/** As many as the ramp needs to grow. */
const STEPS = { steps: 3, bucketBytes: 2 ** 12, stage: 0 } as const;
/** Eight drawn layers, which grow unstable at the golden rate: rounding then takes each run its own way. */
const DEEPER = { rate: { peak: 3e-4, warmup: 4 } };

/** The golden run on one rank, whole. */
export const goldenRun: Layout = { ...STEPS, ...runs.golden, steps: 20 };

/** What one rank trains in the place of a choice. */
export function aloneOf(choice: Choice): Layout {
  const run: Omit<Layout, keyof typeof STEPS> = runs[choice.run];
  if (!needsMore(choice)) return { ...STEPS, ...run };
  return { ...STEPS, ...run, ...DEEPER, changes: { ...run.changes, layerCount: 8 } };
}

export const layoutOf = (choice: Choice): Layout => {
  const { tensor, pipeline, schedule, sequence, zero, order: sumOrder } = choice;
  const recompute = recomputed[choice.recompute];
  return {
    ...aloneOf(choice),
    accumulation: accumulationOf(choice),
    stage: zero,
    sumOrder,
    tensor,
    pipeline,
    sequence,
    ...(schedule !== "none" && { schedule }),
    ...(schedule === "interleaved" && { chunks: 2 }),
    ...(recompute && { recompute }),
  };
};
