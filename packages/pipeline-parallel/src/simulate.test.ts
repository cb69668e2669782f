// In a simulated timeline no action starts before its inputs are available, nor later than it could.

import { expect, test } from "@jest/globals";
import {
  parseSchedule,
  createSchedules,
  formatAction,
  simulate,
  type Action,
  type TimedAction,
  type ScheduleKind,
} from "./index.js";

const durationOf = ({ kind, microbatch, chunk }: Action, stage: number): number =>
  1 + ((7 * microbatch + 3 * stage + 5 * chunk + kind.length) % 5);

const pipelines: readonly (readonly [ScheduleKind, number, number, number])[] = [
  ["gpipe", 1, 3, 1],
  ["gpipe", 3, 5, 1],
  ["1f1b", 4, 7, 1],
  ["zero-bubble", 3, 8, 1],
  ["interleaved", 2, 6, 3],
  ["interleaved", 4, 8, 2],
];

test.each(pipelines)(
  "%s on %i stages, %i microbatches, %i chunks",
  (kind, stages, microbatches, chunks) => {
    const schedules = createSchedules(kind, { stages, microbatches, chunks });
    const timeline = simulate(schedules, durationOf);
    const all = timeline.stages.flatMap((actions, stage) =>
      actions.map((one) => ({ ...one, virtualStage: one.action.chunk * stages + stage })),
    );
    const endOf = (kinds: readonly string[], microbatch: number, virtualStage: number): number =>
      all.find(
        (one) =>
          kinds.includes(one.action.kind) &&
          one.action.microbatch === microbatch &&
          one.virtualStage === virtualStage,
      )!.end;
    const gradient = ["backward", "input"];
    const inputTimes = (
      { action: { kind, microbatch } }: TimedAction,
      virtualStage: number,
    ): number[] => {
      if (kind === "forward")
        return virtualStage === 0 ? [] : [endOf(["forward"], microbatch, virtualStage - 1)];
      if (kind === "weight") return [endOf(gradient, microbatch, virtualStage)];
      const isLast = virtualStage === stages * chunks - 1;
      return [
        endOf(["forward"], microbatch, virtualStage),
        ...(isLast ? [] : [endOf(gradient, microbatch, virtualStage + 1)]),
      ];
    };

    let busy = 0;
    timeline.stages.forEach((actions, stage) => {
      expect(actions.map(({ action }) => action)).toEqual(schedules[stage]);
      let free = 0;
      for (const one of actions) {
        const ready = Math.max(free, ...inputTimes(one, one.action.chunk * stages + stage));
        expect([formatAction(one.action), one.start]).toEqual([formatAction(one.action), ready]);
        expect(one.end - one.start).toBe(durationOf(one.action, stage));
        free = one.end;
        busy += one.end - one.start;
      }
      // In flight: forward has started, backward has not ended. Counted at every start.
      const ends = (of: Action) => of.kind === "backward" || of.kind === "weight";
      const inFlight = actions.map((_, i) => {
        const before = actions.slice(0, i + 1).map(({ action }) => action);
        const started = before.filter((action) => action.kind === "forward").length;
        return started - before.slice(0, -1).filter(ends).length;
      });
      expect(timeline.peakInFlight[stage]).toBe(Math.max(...inFlight));
    });
    expect(timeline.length).toBe(Math.max(...all.map(({ end }) => end)));
    expect(timeline.bubble).toBeCloseTo(1 - busy / (stages * timeline.length), 12);
  },
);

test("by default, backward takes twice as long as forward, also in two halves", () => {
  const lengthOf = (text: string) => simulate([parseSchedule(text)]).length;
  expect(lengthOf("F0 B0")).toBe(3);
  expect(lengthOf("F0 I0 W0")).toBe(3);
});

test("a pipeline without stages takes no time", () => {
  const idle = { stages: [], length: 0, bubble: 0, peakInFlight: [] };
  expect(simulate([])).toEqual(idle);
});

test("parseSchedule accepts any white space between actions", () => {
  const [first, second, third] = parseSchedule(" F0\n\tI12.1  W123456789 \n");
  expect([first, second, third]).toEqual([
    { kind: "forward", microbatch: 0, chunk: 0 },
    { kind: "input", microbatch: 12, chunk: 1 },
    { kind: "weight", microbatch: 123_456_789, chunk: 0 },
  ]);
  expect(parseSchedule(" ")).toEqual([]);
  for (const word of ["F", "F-1", "f0", "F0.", "F1234567890", "F0B0"]) {
    expect(() => parseSchedule(word)).toThrow(`"${word}" is not an action`);
  }
});
