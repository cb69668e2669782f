import { describe, expect, test } from "@jest/globals";
import {
  parseSchedule,
  createSchedules,
  formatSchedule,
  simulate,
  type ScheduleKind,
} from "./index.js";

const played = (kind: ScheduleKind, stages: number, microbatches: number, chunks = 1) =>
  simulate(createSchedules(kind, { stages, microbatches, chunks }));

test("1F1B on four stages reads as the paper draws it", () => {
  expect(
    createSchedules("1f1b", { stages: 4, microbatches: 4, chunks: 1 }).map(formatSchedule),
  ).toEqual([
    "F0 F1 F2 F3 B0 B1 B2 B3",
    "F0 F1 F2 B0 F3 B1 B2 B3",
    "F0 F1 B0 F2 B1 F3 B2 B3",
    "F0 B0 F1 B1 F2 B2 F3 B3",
  ]);
});

test("interleaved 1F1B on two stages of two chunks goes round the chunks in groups of two", () => {
  expect(
    createSchedules("interleaved", { stages: 2, microbatches: 4, chunks: 2 }).map(formatSchedule),
  ).toEqual([
    "F0 F1 F0.1 F1.1 F2 B0.1 F3 B1.1 F2.1 B0 F3.1 B1 B2.1 B3.1 B2 B3",
    "F0 F1 F0.1 B0.1 F1.1 B1.1 F2 B0 F3 B1 F2.1 B2.1 F3.1 B3.1 B2 B3",
  ]);
});

describe.each([1, 2, 3, 4, 8])("%i stages,", (stages) => {
  test.each([1, 2, 5, 8, 16])(
    "%i micro-batches: lengths and peaks are the papers'",
    (microbatches) => {
      const [forward, backward] = [1, 2];
      const ideal = microbatches * (forward + backward);
      const fill = (stages - 1) * (forward + backward);
      for (const kind of ["gpipe", "1f1b"] as const) {
        const { length, bubble } = played(kind, stages, microbatches);
        expect(length).toBe(ideal + fill);
        expect(bubble).toBeCloseTo(fill / (ideal + fill), 12);
      }
      expect(played("gpipe", stages, microbatches).peakInFlight).toEqual(
        Array(stages).fill(microbatches),
      );
      expect(played("1f1b", stages, microbatches).peakInFlight).toEqual(
        Array.from({ length: stages }, (_, stage) => Math.min(stages - stage, microbatches)),
      );
    },
  );

  test("the zero-bubble schedule waits a third as long as 1F1B, and keeps no more in flight", () => {
    const microbatches = 2 * stages;
    const { length, peakInFlight } = played("zero-bubble", stages, microbatches);
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
  const { length } = played("interleaved", stages, microbatches, chunks);
  expect(length).toBe(3 * microbatches * chunks + 3 * (stages - 1));
});

test("schedules written as text are read back as they are", () => {
  for (const schedule of createSchedules("interleaved", {
    stages: 2,
    microbatches: 4,
    chunks: 2,
  })) {
    expect(parseSchedule(formatSchedule(schedule))).toEqual(schedule);
  }
});

describe("a schedule that cannot be carried out is refused:", () => {
  const refused =
    (...texts: string[]) =>
    () =>
      simulate(texts.map(parseSchedule));
  test.each([
    ["an action that is none", () => parseSchedule("F0 X1"), '"X1" is no action of a schedule'],
    ["an action forgotten", refused("F0 F1 B0"), "stage 0 must run micro-batch 1 of chunk 0"],
    ["an action twice", refused("F0 F0 B0"), "but has 2 of F0, 1 of B0, 0 of I0, 0 of W0"],
    ["half a backward", refused("F0 I0"), "1 of I0, 0 of W0"],
    ["its own result", refused("B0 F0"), "wait for each other without end: stage 0 at B0"],
    ["a wait in a ring", refused("F0 B0 F1 B1", "F1 B1 F0 B0"), "stage 0 at B0, stage 1 at F1"],
    ["weights before inputs", refused("F0 W0 I0"), "stage 0 at W0"],
  ])("%s", (_name, act, message) => {
    expect(act).toThrow(message);
  });
});

describe("a pipeline that a kind cannot serve is refused:", () => {
  test.each([
    ["1f1b", { stages: 2, microbatches: 4, chunks: 2 }, "has one chunk a stage, not 2"],
    ["interleaved", { stages: 4, microbatches: 6, chunks: 2 }, "in groups of 4"],
    ["interleaved", { stages: 1, microbatches: 4, chunks: 2 }, "needs at least 2 stages"],
    ["gpipe", { stages: 0, microbatches: 4, chunks: 1 }, "0 stages"],
  ] as const)("%s %j", (kind, pipeline, message) => {
    expect(() => createSchedules(kind, pipeline)).toThrow(message);
  });
});
