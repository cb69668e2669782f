// Draws timelines: as text for a terminal, and as SVG.

import { formatAction, type ActionKind } from "./action.js";
import type { TimedAction, Timeline } from "./simulate.js";

/** Options of `drawText`. */
export interface DrawOptions {
  /** Whether to use ANSI colours. */
  readonly colour: boolean;
}

/** ANSI background and SVG fill of each kind, for dark text. */
const PAINT: Readonly<Record<ActionKind, { readonly ansi: number; readonly fill: string }>> = {
  forward: { ansi: 153, fill: "#a9cff5" },
  backward: { ansi: 157, fill: "#a8e6b0" },
  input: { ansi: 158, fill: "#a6e9dc" },
  weight: { ansi: 223, fill: "#f9d8a4" },
};

/** A row for each stage, columns of equal time; dots where a stage waits. */
export function drawText({ stages }: Timeline, { colour }: DrawOptions): string {
  const label = ({ action }: TimedAction): string => formatAction(action);
  const unit = 1 + Math.max(1, ...stages.flat().map((one) => label(one).length / durationOf(one)));
  const width = Math.ceil(unit);
  const drawRow = (actions: readonly TimedAction[]): string => {
    let column = 0;
    let text = "";
    for (const one of actions) {
      const start = Math.round(one.start * width);
      const size = Math.max(1, Math.round(one.end * width) - start);
      text += drawWait(start - column);
      const cell = label(one).slice(0, size).padEnd(size);
      text += colour ? `\x1b[48;5;${PAINT[one.action.kind].ansi};38;5;16m${cell}\x1b[0m` : cell;
      column = start + size;
    }
    return text.trimEnd();
  };
  const names = stages.map((_, stage) => `stage ${stage}`);
  const margin = Math.max(...names.map((name) => name.length));
  return stages
    .map((actions, stage) => `${names[stage]!.padEnd(margin)}  ${drawRow(actions)}`)
    .join("\n");
}

const durationOf = ({ start, end }: TimedAction): number => Math.max(end - start, 1e-9);

const drawWait = (columns: number): string => ".".repeat(Math.max(0, columns));

const ROW = 30;
const UNIT = 30;
const MARGIN = 70;

/** A self-contained SVG file: no scripts, fonts or links. */
export function drawSvg(timeline: Timeline): string {
  const { stages, length } = timeline;
  const scale = UNIT / Math.min(...stages.flat().map(durationOf));
  const width = Math.ceil(MARGIN + length * scale + 10);
  const height = ROW * stages.length + 40;
  const cells = stages.flatMap((actions, stage) =>
    actions.map((one) => drawCell(one, stage, scale)),
  );
  const names = stages.map(
    (_, stage) => `<text x="8" y="${stage * ROW + 29}">stage ${stage}</text>`,
  );
  const caption = `bubble ${(100 * timeline.bubble).toFixed(1)}%`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" ` +
      `height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...names,
    ...cells,
    `<text x="8" y="${height - 10}">${caption}, most in flight ${timeline.peakInFlight.join(", ")}</text>`,
    "</svg>",
    "",
  ].join("\n");
}

function drawCell(one: TimedAction, stage: number, scale: number): string {
  const x = (MARGIN + one.start * scale).toFixed(1);
  const width = ((one.end - one.start) * scale).toFixed(1);
  const middle = (MARGIN + ((one.start + one.end) / 2) * scale).toFixed(1);
  const y = stage * ROW + 10;
  const { fill } = PAINT[one.action.kind];
  return (
    `<rect x="${x}" y="${y}" width="${width}" height="${ROW - 4}" fill="${fill}" stroke="#555555" stroke-width="0.5"/>` +
    `<text x="${middle}" y="${y + 17}" text-anchor="middle">${formatAction(one.action)}</text>`
  );
}
