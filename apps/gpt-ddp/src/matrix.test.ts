// Ranks train as one does, whatever they share: samples, layers, stages, tokens, the optimizer's state; in
// every schedule and ZeRO stage, with and without recomputation, dropout and batches that grow; several kinds
// of models. A selection of the matrix in which every two choices meet; more of it is in the slow tests, all in the soak tests.

import { expect, test } from "@jest/globals";
import type { Trained } from "./programs/layouts.js";
import { compareLayouts, startsOf, trainAlone } from "./programs/check_matrix.js";
import { goldenRun, selection } from "./programs/matrix.js";
import { goldenLosses, runLayouts } from "./programs/run_layouts.js";

const choices = selection();
const references = trainAlone(choices);

test("one rank takes the golden steps", async () => {
  const [[trained]] = (await runLayouts(1, [goldenRun])) as [[Trained]];
  expect(trained.losses).toHaveLength(goldenLosses.length);
  trained.losses.forEach((loss, step) => {
    expect(Math.abs(loss / goldenLosses[step]! - 1)).toBeLessThan(1e-5);
  });
});

test.each(startsOf(choices))("layouts of $ranks ranks", async ({ choices: of }) => {
  const compared = await compareLayouts(of, await references);
  expect(compared).toEqual(compared.map(({ name }) => ({ name, differences: {} })));
  expect(compared).toHaveLength(of.length);
});
