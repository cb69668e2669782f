// Plots: bars of figures side by side, and curves.

import { COLOURS, label, picture, polyline, rankColour, rect } from "./svg.js";

export interface Bars {
  /** What is measured, with its unit. */
  readonly title: string;
  readonly series: readonly string[];
  readonly groups: readonly { readonly name: string; readonly values: readonly number[] }[];
}

const LEFT = 150;
const WIDTH = 420;
const BAR = 18;

/** Horizontal bars from zero, a group for each case. */
export function drawBars({ title, series, groups }: Bars): string {
  const scale = WIDTH / Math.max(...groups.flatMap(({ values }) => [...values]));
  const groupHeight = series.length * BAR + 14;
  const shapes = groups.flatMap(({ name, values }, group) => {
    const top = 36 + group * groupHeight;
    return [
      label(LEFT - 10, top + (series.length * BAR) / 2 + 4, name, { anchor: "end" }),
      ...values.flatMap((value, index) => [
        rect(
          { x: LEFT, y: top + index * BAR, width: value * scale, height: BAR - 3 },
          rankColour(index),
        ),
        label(LEFT + value * scale + 6, top + index * BAR + 12, String(value), { size: 11 }),
      ]),
    ];
  });
  const bottom = 36 + groups.length * groupHeight;
  const legend = series.flatMap((name, index) => [
    rect({ x: LEFT + index * 160, y: bottom, width: 14, height: 14 }, rankColour(index)),
    label(LEFT + index * 160 + 20, bottom + 12, name, { size: 11 }),
  ]);
  return picture(LEFT + WIDTH + 70, bottom + 26, [
    label(12, 20, title, { fill: COLOURS.muted }),
    ...shapes,
    ...(series.length > 1 ? legend : []),
  ]);
}

/** A run as its metrics.jsonl has it. */
export type Curve = readonly { readonly step: number; readonly loss: number }[];

const CURVES = [
  { colour: "#0969da", width: 5 },
  { colour: "#1f2328", width: 1.5 },
] as const;

/** Losses in nats by steps, one curve over the other. */
export function drawLosses(
  curves: readonly { readonly name: string; readonly curve: Curve }[],
): string {
  const [left, top, width, height] = [56, 24, 520, 220];
  const points = curves.flatMap(({ curve }) => [...curve]);
  const last = Math.max(...points.map(({ step }) => step));
  const low = Math.floor(Math.min(...points.map(({ loss }) => loss)));
  const high = Math.ceil(Math.max(...points.map(({ loss }) => loss)));
  const xOf = (step: number): number => left + (step / last) * width;
  const yOf = (loss: number): number => top + ((high - loss) / (high - low)) * height;
  const levels = Array.from({ length: high - low + 1 }, (_, index) => low + index);
  const grid = levels.flatMap((level) => [
    polyline(
      [
        [left, yOf(level)],
        [left + width, yOf(level)],
      ],
      "#d1d9e0",
      1,
    ),
    label(left - 8, yOf(level) + 4, String(level), { anchor: "end", size: 11 }),
  ]);
  const lines = curves.flatMap(({ name, curve }, index) => {
    const { colour, width: stroke } = CURVES[index % CURVES.length]!;
    const x = left + 300;
    const y = top + 20 + index * 20;
    return [
      polyline(
        curve.map(({ step, loss }) => [xOf(step), yOf(loss)]),
        colour,
        stroke,
      ),
      polyline(
        [
          [x, y - 4],
          [x + 30, y - 4],
        ],
        colour,
        stroke,
      ),
      label(x + 38, y, name, { size: 11 }),
    ];
  });
  const axes = [
    label(left - 44, 14, "loss, nats per byte", { size: 11, fill: COLOURS.muted }),
    label(left, top + height + 20, "step 1", { size: 11 }),
    label(left + width, top + height + 20, `step ${last}`, { size: 11, anchor: "end" }),
  ];
  return picture(left + width + 20, top + height + 34, [...grid, ...lines, ...axes]);
}
