import { describe, expect, test } from "@jest/globals";
import {
  parseSchedule,
  createSchedules,
  formatSchedule,
  simulate,
  type ScheduleKind,
} from "./index.js";

const simulateKind = (kind: ScheduleKind, stages: number, microbatches: number, chunks = 1) =>
  simulate(createSchedules(kind, { stages, microbatches, chunks }));

test("1F1B on four stages is as the paper draws it", () => {
  expect(
    createSchedules("1f1b", { stages: 4, microbatches: 4, chunks: 1 }).map(formatSchedule),
  ).toEqual([
    "F0 F1 F2 F3 B0 B1 B2 B3",
    "F0 F1 F2 B0 F3 B1 B2 B3",
    "F0 F1 B0 F2 B1 F3 B2 B3",
    "F0 B0 F1 B1 F2 B2 F3 B3",
  ]);
});

test("interleaved 1F1B on two stages of two chunks visits the chunks in groups of two microbatches", () => {
  expect(
    createSchedules("interleaved", { stages: 2, microbatches: 4, chunks: 2 }).map(formatSchedule),
  ).toEqual([
    "F0 F1 F0.1 F1.1 F2 B0.1 F3 B1.1 F2.1 B0 F3.1 B1 B2.1 B3.1 B2 B3",
    "F0 F1 F0.1 B0.1 F1.1 B1.1 F2 B0 F3 B1 F2.1 B2.1 F3.1 B3.1 B2 B3",
  ]);
});

describe.each([1, 2, 3, 4, 8])("%i stages,", (stages) => {
  test.each([1, 2, 5, 8, 16])(
    "%i microbatches: lengths and peaks are the papers'",
    (microbatches) => {
      const [forward, backward] = [1, 2];
      const ideal = microbatches * (forward + backward);
      const fill = (stages - 1) * (forward + backward);
      for (const kind of ["gpipe", "1f1b"] as const) {
        const { length, bubble } = simulateKind(kind, stages, microbatches);
        expect(length).toBe(ideal + fill);
        expect(bubble).toBeCloseTo(fill / (ideal + fill), 12);
      }
      expect(simulateKind("gpipe", stages, microbatches).peakInFlight).toEqual(
        Array(stages).fill(microbatches),
      );
      expect(simulateKind("1f1b", stages, microbatches).peakInFlight).toEqual(
        Array.from({ length: stages }, (_, stage) => Math.min(stages - stage, microbatches)),
      );
    },
  );

  test("the zero-bubble schedule has a third of 1F1B's bubble, and no more in flight", () => {
    const microbatches = 2 * stages;
    const { length, peakInFlight } = simulateKind("zero-bubble", stages, microbatches);
    expect(length).toBe(3 * microbatches + stages - 1);
    expect(Math.max(...peakInFlight)).toBe(stages);
  });
});

test.each([
  [2, 2],
  [4, 2],
  [4, 3],
  [8, 4],
])("%i stages of %i chunks: interleaving divides the bubble by the chunks", (stages, chunks) => {
  const microbatches = 4 * stages;
  const { length } = simulateKind("interleaved", stages, microbatches, chunks);
  expect(length).toBe(3 * microbatches * chunks + 3 * (stages - 1));
});

test("parseSchedule is the inverse of formatSchedule", () => {
  for (const schedule of createSchedules("interleaved", {
    stages: 2,
    microbatches: 4,
    chunks: 2,
  })) {
    expect(parseSchedule(formatSchedule(schedule))).toEqual(schedule);
  }
});

describe("a schedule that cannot be executed is refused:", () => {
  const simulateTexts =
    (...texts: string[]) =>
    () =>
      simulate(texts.map(parseSchedule));
  test.each([
    ["an unknown action", () => parseSchedule("F0 X1"), '"X1" is not an action of a schedule'],
    ["a missing action", simulateTexts("F0 F1 B0"), "stage 0 must run microbatch 1 of chunk 0"],
    ["a repeated action", simulateTexts("F0 F0 B0"), "but has 2 of F0, 1 of B0, 0 of I0, 0 of W0"],
    ["half a backward", simulateTexts("F0 I0"), "1 of I0, 0 of W0"],
    ["backward before forward", simulateTexts("B0 F0"), "the schedules deadlock: stage 0 at B0"],
    ["a cyclic wait", simulateTexts("F0 B0 F1 B1", "F1 B1 F0 B0"), "stage 0 at B0, stage 1 at F1"],
    ["weight before input gradients", simulateTexts("F0 W0 I0"), "stage 0 at W0"],
  ])("%s", (_name, act, message) => {
    expect(act).toThrow(message);
  });
});

describe("a pipeline that a kind does not support is refused:", () => {
  test.each([
    ["1f1b", { stages: 2, microbatches: 4, chunks: 2 }, "has one chunk per stage, not 2"],
    ["interleaved", { stages: 4, microbatches: 6, chunks: 2 }, "in groups of 4"],
    ["interleaved", { stages: 1, microbatches: 4, chunks: 2 }, "needs at least 2 stages"],
    ["gpipe", { stages: 0, microbatches: 4, chunks: 1 }, "0 stages"],
  ] as const)("%s %j", (kind, pipeline, message) => {
    expect(() => createSchedules(kind, pipeline)).toThrow(message);
  });
});
