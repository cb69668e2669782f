// Schedules by Megatron-LM's numbers, and what they compose to.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import {
  constant,
  cosine,
  createSchedule,
  decayStyles,
  linear,
  sequence,
  warmup,
  wsdDecayStyles,
  type ScheduleConfig,
} from "../schedules.js";

interface Case {
  readonly schedule: ScheduleConfig;
  /** Steps or samples that are done when a step begins. */
  readonly progress: readonly number[];
  readonly rates: readonly number[];
}

const { cases } = JSON.parse(
  readFileSync(join(__dirname, "../../fixtures/learning_rates.json"), "utf8"),
) as { readonly cases: readonly Case[] };

test.each(cases)("$schedule gives the rates of Megatron-LM", ({ schedule, progress, rates }) => {
  const rateAt = createSchedule(schedule);
  progress.forEach((done, i) => expect(rateAt(done) - rates[i]!).toBeCloseTo(0, 18));
});

test("every decay and every curve is among those compared", () => {
  const kinds = new Set(cases.map(({ schedule }) => schedule.kind));
  const curves = new Set(cases.flatMap(({ schedule }) => schedule.decayCurve ?? []));
  expect([...kinds].sort()).toEqual([...decayStyles].sort());
  expect([...curves].sort()).toEqual([...wsdDecayStyles].sort());
});

describe("with a warm-up as long as the run or longer", () => {
  test.each(decayStyles)("%s reaches the peak, and the floor behind the end", (kind) => {
    for (const total of [5, 10]) {
      const rateAt = createSchedule({ kind, peak: 1, floor: 0.1, warmup: 10, total });
      expect(rateAt(10)).toBe(1);
      expect(rateAt(11)).toBe(kind === "constant" ? 1 : 0.1);
    }
  });
});

test("the last phase of WSD takes a tenth of the run, unless it says otherwise", () => {
  const config = { kind: "WSD", peak: 1, floor: 0, warmup: 10, total: 100 } as const;
  const rateAt = createSchedule({ ...config, decayCurve: "linear" });
  [1, 0.5, 0].forEach((rate, i) => expect(rateAt(90 + 5 * i)).toBeCloseTo(rate, 12));
  const rises = createSchedule({ ...config, decayLength: 1000, decayCurve: "linear" });
  expect(rises(55)).toBeCloseTo(0.5, 12); // a phase cannot begin before warm-up ends
});

describe("a sequence of phases", () => {
  const rateAt = sequence([
    warmup(1, 4),
    constant(1, 10),
    linear({ from: 1, to: 0.2, length: 8 }),
    warmup(9, 0),
    cosine({ from: 0.2, to: 0, length: 2 }),
  ]);

  test("goes through them in order, each from its own start", () => {
    expect([0, 2, 4, 14].map(rateAt)).toEqual([0, 0.5, 1, 1]);
    expect(rateAt(18)).toBeCloseTo(0.6, 12);
    expect(rateAt(23)).toBeCloseTo(0.1, 12);
  });

  test("stays where the last one ends", () => {
    expect(rateAt(24)).toBe(0);
    expect(rateAt(1e9)).toBe(0);
  });

  test("has decays that stay where they end", () => {
    expect(linear({ from: 1, to: 0.5, length: 2 }).rate(3)).toBe(0.5);
  });

  test("may have an end that is a phase without length, and no phase at all", () => {
    expect(sequence([warmup(1, 2), linear({ from: 1, to: 0.5, length: 0 })])(3)).toBe(0.5);
    expect(sequence([])(3)).toBe(0);
  });
});
