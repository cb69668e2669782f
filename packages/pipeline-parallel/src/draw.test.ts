// Drawings of timelines are to scale and complete.

import { describe, expect, test } from "@jest/globals";
import {
  drawSvg,
  drawText,
  parseSchedule,
  createSchedules,
  formatAction,
  simulate,
  type ActionKind,
} from "./index.js";

const simulateKind = (
  kind: Parameters<typeof createSchedules>[0],
  stages: number,
  microbatches: number,
  chunks = 1,
) => simulate(createSchedules(kind, { stages, microbatches, chunks }));

const timelines = [
  simulateKind("gpipe", 2, 2),
  simulateKind("1f1b", 4, 6),
  simulateKind("zero-bubble", 3, 12),
  simulateKind("interleaved", 2, 4, 2),
  simulateKind("1f1b", 11, 2),
];

/** All kinds of actions, with durations that are no integers. */
const mixed = simulate(
  ["F0 F1 B0 I1 W1", "F0 F1 B0 I1 W1"].map(parseSchedule),
  ({ kind }) => ({ forward: 1, backward: 2.37, input: 1.21, weight: 1.13 })[kind],
);

/** Each stage's row, without the stage's name. */
const rowsOf = (text: string): string[] =>
  text.split("\n").map((line) => line.replace(/^stage \d+ {2,3}/, ""));

describe("as text", () => {
  test.each(timelines)(
    "actions are at their times, with dots where a stage waits: %#",
    (timeline) => {
      const text = drawText(timeline, { colour: false });
      const rows = rowsOf(text);
      expect(rows).toHaveLength(timeline.stages.length);
      // Columns per unit of time: as the longest label needs, and one between labels.
      const labels = timeline.stages.flat().map(({ action, start, end }) => {
        return formatAction(action).length / (end - start);
      });
      const width = 1 + Math.ceil(Math.max(...labels));
      rows.forEach((row, stage) => {
        expect(row).toBe(row.trimEnd());
        let column = 0;
        for (const { action, start, end } of timeline.stages[stage]!) {
          const label = formatAction(action);
          expect(row.slice(column, start * width)).toBe(".".repeat(start * width - column));
          expect(row.slice(start * width, end * width).trimEnd()).toBe(label);
          column = end * width;
        }
        expect(row.length).toBeLessThanOrEqual(column);
      });
    },
  );

  test("stage names are aligned, whatever their length", () => {
    const lines = drawText(timelines[4]!, { colour: false }).split("\n");
    expect(lines[0]).toMatch(/^stage 0 {3}F0/);
    expect(lines[10]).toMatch(/^stage 10 {2}\.+F0/);
  });

  test("colours distinguish kinds, and change nothing else", () => {
    for (const timeline of [...timelines, mixed]) {
      const coloured = drawText(timeline, { colour: true });
      const plain = coloured.replace(/\x1b\[[\d;]*m/g, "");
      expect(plain.split("\n").map((line) => line.trimEnd())).toEqual(
        drawText(timeline, { colour: false }).split("\n"),
      );
      const colours = new Map<string, string>();
      for (const [, colour, letter] of coloured.matchAll(/\x1b\[48;5;(\d+);38;5;16m([FBIW])/g)) {
        expect(colours.get(letter!) ?? colour).toBe(colour);
        colours.set(letter!, colour!);
      }
      expect(new Set(colours.values()).size).toBe(colours.size);
    }
  });

  test("labels are not truncated for actions shorter than a unit", () => {
    const durations = { forward: 0.25, backward: 0.5, input: 1, weight: 1 };
    const schedules = createSchedules("1f1b", { stages: 2, microbatches: 3, chunks: 1 });
    const timeline = simulate(schedules, ({ kind }) => durations[kind]);
    expect(
      rowsOf(drawText(timeline, { colour: false })).map((row) => row.replaceAll(/[. ]/g, "")),
    ).toEqual(schedules.map((schedule) => schedule.map(formatAction).join("")));
  });
});

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly fill: string;
}

const numbersOf = (text: string, names: readonly string[]): number[] =>
  names.map((name) => Number(new RegExp(` ${name}="([^"]*)"`).exec(text)![1]));

function parseSvg(svg: string) {
  const [left, top, right, bottom] = /viewBox="([^"]*)"/.exec(svg)![1]!.split(" ").map(Number);
  const boxes = [...svg.matchAll(/<rect x=[^>]*>/g)].map(([tag]): Box => {
    const [x, y, width, height] = numbersOf(tag, ["x", "y", "width", "height"]);
    const fill = / fill="([^"]*)"/.exec(tag)![1]!;
    return { x: x!, y: y!, width: width!, height: height!, fill };
  });
  const labels = [...svg.matchAll(/<text x=[^>]*text-anchor[^>]*>([^<]*)</g)].map(
    ([tag, label]) => {
      const [x, y] = numbersOf(tag, ["x", "y"]);
      return { x: x!, y: y!, label: label! };
    },
  );
  return { frame: { left: left!, top: top!, right: right!, bottom: bottom! }, boxes, labels };
}

describe.each([...timelines, mixed])("as SVG: %#", (timeline) => {
  const svg = drawSvg(timeline);
  const { frame, boxes, labels } = parseSvg(svg);
  const all = timeline.stages.flatMap((actions, stage) =>
    actions.map((one) => ({ ...one, stage })),
  );

  test("boxes are to scale, in a row for each stage, and inside the frame", () => {
    expect(boxes).toHaveLength(all.length);
    const scale = boxes[0]!.width / (all[0]!.end - all[0]!.start);
    all.forEach(({ start, end, stage }, i) => {
      const { x, y, width, height } = boxes[i]!;
      expect(Math.abs(x - boxes[0]!.x - (start - all[0]!.start) * scale)).toBeLessThan(0.2);
      expect(Math.abs(width - (end - start) * scale)).toBeLessThan(0.2);
      const rowHeight = boxes.find((_, j) => all[j]!.stage === 1)!.y - boxes[0]!.y;
      expect(y - boxes[0]!.y).toBe(stage * rowHeight);
      expect(height).toBeLessThan(rowHeight);
      expect([x >= frame.left, x + width <= frame.right]).toEqual([true, true]);
      expect([y >= frame.top, y + height < frame.bottom]).toEqual([true, true]);
      expect(width).toBeGreaterThanOrEqual(30 - 0.1); // room for a label
    });
  });

  test("labels are centred in their boxes", () => {
    expect(labels.map(({ label }) => label)).toEqual(all.map(({ action }) => formatAction(action)));
    labels.forEach(({ x, y }, i) => {
      const box = boxes[i]!;
      expect(Math.abs(x - box.x - box.width / 2)).toBeLessThan(0.2);
      expect([y > box.y + box.height / 2, y < box.y + box.height]).toEqual([true, true]);
    });
  });

  test("each kind has its own colour, each stage its name, and the caption bubble and memory", () => {
    const fills = new Map<ActionKind, string>(
      all.map(({ action }, i) => [action.kind, boxes[i]!.fill]),
    );
    expect(new Set(fills.values()).size).toBe(fills.size);
    all.forEach(({ action }, i) => expect(boxes[i]!.fill).toBe(fills.get(action.kind)));
    timeline.stages.forEach((_, stage) => {
      const [, y] = new RegExp(`<text x="8" y="(\\d+)">stage ${stage}<`).exec(svg)!;
      const box = boxes[all.findIndex((one) => one.stage === stage)]!;
      expect([Number(y) > box.y, Number(y) < box.y + box.height]).toEqual([true, true]);
    });
    const { bubble, peakInFlight } = timeline;
    expect(svg).toContain(
      `bubble ${(bubble * 100).toFixed(1)}%, most in flight ${peakInFlight.join(", ")}<`,
    );
    const caption = Number(/y="(\d+)">bubble/.exec(svg)![1]);
    expect(caption).toBeGreaterThan(Math.max(...boxes.map(({ y, height }) => y + height)));
    expect(caption).toBeLessThan(frame.bottom);
  });
});
