// What tensor- and sequence-parallel ranks hold: slices of the parameters of a GPT, and tokens.

import { gpt, preset } from "@tessera/gpt";
import { evenRange } from "@tessera/mesh";
import { leaves, shardSlice, type ParamSpec } from "@tessera/params";
import { COLOURS, label, picture, rankColour, rect } from "./svg.js";

const MATRIX = 96;
const ROW = 140;
/** Smaller ones are biases of several parts. */
const SMALLEST = 16;
const LEFT = 12;

/** What is drawn of a model: the parameters of one block and of both ends that are matrices. */
const isDrawn = (path: string, { shape }: ParamSpec): boolean =>
  shape.length === 2 &&
  Math.min(...shape) >= SMALLEST &&
  (!path.startsWith("blocks.") || path.startsWith("blocks.0."));

/** Each matrix of a small GPT at a scale of its own, its slices in the colours of their ranks. */
export function drawTensorShards(degree: number): string {
  const config = preset("tiny", { vocabularySize: 128, maxPositions: 64 });
  const drawn = leaves<ParamSpec>(gpt(config).spec).filter(([path, spec]) => isDrawn(path, spec));
  const columns = 3;
  const shapes = drawn.flatMap(([path, spec], index) => {
    const x = LEFT + (index % columns) * 230;
    const y = 34 + Math.floor(index / columns) * ROW;
    const [rows, width] = spec.shape as readonly [number, number];
    const scale = MATRIX / Math.max(rows, width);
    const parts = Array.from({ length: degree }, (_, rank) => {
      const { start, size } = shardSlice(spec, { index: rank, count: degree }, path);
      const box = {
        x: x + start[1]! * scale,
        y: y + start[0]! * scale,
        width: size[1]! * scale,
        height: size[0]! * scale,
      };
      return rect(box, spec.partition === null ? COLOURS.shared : rankColour(rank));
    });
    const name = path.replace("blocks.0.", "");
    return [
      label(x, y - 8, name, { size: 11 }),
      ...parts,
      label(x, y + rows * scale + 14, `[${rows}, ${width}]`, { size: 10, fill: COLOURS.muted }),
    ];
  });
  const bottom = 34 + Math.ceil(drawn.length / columns) * ROW;
  return picture(700, bottom + 30, [...shapes, ...legend(degree, bottom + 10)]);
}

function legend(degree: number, y: number): string[] {
  const entries = [
    ...Array.from({ length: degree }, (_, rank) => [`rank ${rank}`, rankColour(rank)] as const),
    ["all ranks", COLOURS.shared] as const,
  ];
  return entries.flatMap(([name, colour], index) => [
    rect({ x: LEFT + index * 100, y: y - 11, width: 14, height: 14 }, colour),
    label(LEFT + index * 100 + 20, y, name, { size: 11 }),
  ]);
}

/** Activations [time, hidden] along a block: sharded by tokens outside of tensor-parallel regions, by heads inside. */
export function drawSequenceShards(degree: number): string {
  const { headCount, hiddenSize } = preset("small");
  const time = 16;
  const [width, height] = [104, 112];
  const shards = Array.from({ length: degree }, (_, index) => ({ index, count: degree }));
  const byTokens = (x: number): string[] =>
    shards.map((shard) => {
      const { start, size } = evenRange(time, shard);
      const box = { x, y: 50 + (start / time) * height, width, height: (size / time) * height };
      return rect(box, rankColour(shard.index));
    });
  const byHeads = (x: number): string[] =>
    shards.map((shard) => {
      const { start, size } = evenRange(headCount, shard);
      const box = {
        x: x + (start / headCount) * width,
        y: 50,
        width: (size / headCount) * width,
        height,
      };
      return rect(box, rankColour(shard.index));
    });
  const stations = [
    ["norm", byTokens, "all-gather"],
    ["attention", byHeads, "reduce-scatter"],
    ["norm", byTokens, "all-gather"],
    ["MLP", byHeads, "reduce-scatter"],
    ["next block", byTokens, ""],
  ] as const;
  const step = 200;
  const shapes = stations.flatMap(([name, draw, then], index) => {
    const x = LEFT + index * step;
    return [
      label(x + width / 2, 36, name, { anchor: "middle" }),
      ...draw(x),
      ...(then === ""
        ? []
        : [
            label(x + width + 48, 100, then, { anchor: "middle", size: 11, fill: COLOURS.muted }),
            label(x + width + 48, 118, "→", { anchor: "middle", size: 16 }),
          ]),
    ];
  });
  return picture(LEFT + 4 * step + width + 12, 216, [
    label(LEFT, 16, `rows: ${time} tokens; columns: ${hiddenSize} of hidden, ${headCount} heads`, {
      size: 11,
      fill: COLOURS.muted,
    }),
    ...shapes,
    ...legend(degree, 196).slice(0, 2 * degree),
  ]);
}
