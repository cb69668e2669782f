// What of the matrix of layouts must be as on one rank.

import { lossesApart, normsApart, treesApart, vectorsApart } from "./compare.js";
import type { Layout, Trained } from "./layouts.js";
import { aloneOf, layoutOf, ranksOf, type Choice } from "./matrix.js";
import { runLayouts } from "./run_layouts.js";

/** Relative. */
const TOLERANCE = 1e-5;
/**
 * Of weights, taken as one vector, where layers or their matrices are sharded: Adam makes whole steps of the smallest
 * gradients, whose sums these ranks round in another order, and what starts at zero consists of such steps.
 */
const WEIGHTS_TOLERANCE = 1e-4;

/** A layout by name, and what of it is not as on one rank; nothing where all is. */
export interface Compared {
  readonly name: string;
  readonly differences: Readonly<Record<string, unknown>>;
}

const keyOf = (layout: Layout): string => JSON.stringify(layout);

/** Layouts that one start of ranks trains: few enough to see a failure before all is done. */
const TOGETHER = 40;

/** `choices`, grouped by the start of ranks that trains them. */
export const startsOf = (choices: readonly Choice[]) =>
  [1, 2, 4, 8].flatMap((ranks) => {
    const of = choices.filter((choice) => ranksOf(choice) === ranks);
    return Array.from({ length: Math.ceil(of.length / TOGETHER) }, (_, i) => ({
      ranks,
      from: i * TOGETHER,
      choices: of.slice(i * TOGETHER, (i + 1) * TOGETHER),
    }));
  });

/** What trains: what each rank says of each layout. */
type Run = (ranks: number, layouts: readonly Layout[]) => Trained[][] | Promise<Trained[][]>;

/** Trains on one rank what `choices` train on several. */
export async function trainAlone(
  choices: readonly Choice[],
  run: Run = runLayouts,
): Promise<Map<string, Trained>> {
  const alone = [
    ...new Map(choices.map(aloneOf).map((layout) => [keyOf(layout), layout])).values(),
  ];
  const [one] = await run(1, alone);
  return new Map(alone.map((layout, i) => [keyOf(layout), one![i]!]));
}

/** Trains `choices`, which all have the same number of ranks, by one start of these. */
export async function compareLayouts(
  choices: readonly Choice[],
  references: ReadonlyMap<string, Trained>,
  run: Run = runLayouts,
): Promise<Compared[]> {
  const all = await run(ranksOf(choices[0]!), choices.map(layoutOf));
  return choices.map((choice, i) => {
    const expected = references.get(keyOf(aloneOf(choice)))!;
    const isDataParallel = choice.tensor * choice.pipeline === 1;
    const differences = all
      .map((rank) => differencesOf(rank[i]!, expected, isDataParallel))
      .find((found) => Object.keys(found).length > 0);
    return { name: JSON.stringify(choice), differences: differences ?? {} };
  });
}

function differencesOf(
  trained: Trained,
  expected: Trained,
  isDataParallel: boolean,
): Compared["differences"] {
  const { consumed, leaked, disagreement, gradients, weights } = trained;
  const apart = {
    losses: [lossesApart(trained, expected), TOLERANCE],
    norms: [normsApart(trained, expected), TOLERANCE],
    gradients: [treesApart(gradients, expected.gradients), TOLERANCE],
    weights: isDataParallel
      ? [treesApart(weights, expected.weights), TOLERANCE]
      : [vectorsApart(weights, expected.weights), WEIGHTS_TOLERANCE],
  } as const;
  return {
    ...Object.fromEntries(Object.entries(apart).filter(([, [far, limit]]) => !(far < limit))),
    ...(consumed.join() !== expected.consumed.join() && { consumed }),
    ...(leaked > 0 && { leaked }),
    ...(disagreement !== null && { disagreement }),
  };
}
