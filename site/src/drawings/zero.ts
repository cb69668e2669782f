// Memory of a data-parallel rank under each ZeRO stage, as `rankMemory` computes it.

import { rankMemory } from "@tessera/data-parallel";
import { gpt, preset } from "@tessera/gpt";
import { COLOURS, label, picture, rankColour, rect } from "./svg.js";

const KINDS = ["weights", "gradients", "optimizer"] as const;
const LEFT = 110;
const WIDTH = 480;

/** A bar for each stage, with sums in the free order: fp32 weights and gradients, and AdamW's two moments. */
export function drawZero(model: string, ranks: number): string {
  const { spec } = gpt(preset(model));
  const bars = ([0, 1, 2, 3] as const).map((stage) =>
    rankMemory(spec, { stage, sumOrder: "free", ranks, slots: 2 }),
  );
  const total = (memory: (typeof bars)[number]): number =>
    KINDS.reduce((sum, kind) => sum + memory[kind], 0);
  const scale = WIDTH / Math.max(...bars.map(total));
  const shapes = bars.flatMap((memory, stage) => {
    const y = 40 + stage * 40;
    let x = LEFT;
    const parts = KINDS.map((kind, index) => {
      const width = memory[kind] * scale;
      const part = rect({ x, y, width, height: 26 }, rankColour(index));
      x += width;
      return part;
    });
    const size = `${(total(memory) / 1e9).toFixed(2)} GB`;
    return [label(12, y + 17, `ZeRO stage ${stage}`), ...parts, label(x + 8, y + 17, size)];
  });
  const names = KINDS.flatMap((kind, index) => [
    rect({ x: LEFT + index * 120, y: 210, width: 14, height: 14 }, rankColour(index)),
    label(LEFT + index * 120 + 20, 222, kind, { size: 11 }),
  ]);
  const title = `${model}, ${ranks} ranks: bytes of one rank, activations apart`;
  return picture(LEFT + WIDTH + 90, 236, [
    label(12, 22, title, { size: 12, fill: COLOURS.muted }),
    ...shapes,
    ...names,
  ]);
}
