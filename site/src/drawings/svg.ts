// The few shapes that the drawings are made of, as SVG: self-contained, on a light background.

export const COLOURS = {
  ink: "#1f2328",
  muted: "#59636e",
  line: "#8c959f",
  /** Of ranks, in their order. */
  ranks: ["#a9cff5", "#f9d8a4", "#a8e6b0", "#e3c8f5", "#f7c1c1", "#c9d4a5", "#bfe3e6", "#d9d9d9"],
  shared: "#eaeef2",
} as const;

/** The colour of a rank. */
export const rankColour = (rank: number): string =>
  COLOURS.ranks[rank % COLOURS.ranks.length] ?? COLOURS.shared;

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const number = (value: number): string => String(Math.round(value * 10) / 10);

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export const rect = ({ x, y, width, height }: Box, fill: string): string =>
  `<rect x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}" fill="${fill}" stroke="#59636e" stroke-width="0.7"/>`;

/** A dashed frame around others. */
export const frame = ({ x, y, width, height }: Box): string =>
  `<rect x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}" rx="6" fill="none" stroke="${COLOURS.line}" stroke-dasharray="4 3"/>`;

export interface TextStyle {
  readonly anchor?: "start" | "middle" | "end";
  readonly size?: number;
  readonly bold?: boolean;
  readonly fill?: string;
}

/** Text with its baseline at `y`. */
export const label = (
  x: number,
  y: number,
  text: string,
  { anchor = "start", size = 12, bold = false, fill = COLOURS.ink }: TextStyle = {},
): string =>
  `<text x="${number(x)}" y="${number(y)}" text-anchor="${anchor}" font-size="${size}"` +
  `${bold ? ' font-weight="bold"' : ""} fill="${fill}">${escape(text)}</text>`;

/** A line through points. */
export const polyline = (
  points: readonly (readonly [x: number, y: number])[],
  colour: string,
  width = 2,
): string =>
  `<polyline points="${points.map(([x, y]) => `${number(x)},${number(y)}`).join(" ")}" fill="none" stroke="${colour}" stroke-width="${width}"/>`;

/** A whole file. */
export const picture = (width: number, height: number, shapes: readonly string[]): string =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...shapes,
    "</svg>",
    "",
  ].join("\n");
