// The ranks of a 3-D run, where the mesh of the run puts them.

import { coordinates, members, worldSize, type Mesh } from "@tessera/mesh";
import { frame, label, picture, rankColour, rect, type Box } from "./svg.js";

const SIZE = 64;
const GAP = 12;
const LEFT = 90;
const TOP = 54;

/** A column for each pipeline stage, a row for each data-parallel rank, tensor-parallel ranks side by side. */
export function drawMesh(degrees: { pipeline: number; data: number; tensor: number }): string {
  const mesh: Mesh = (["pipeline", "data", "tensor"] as const).map((name) => ({
    name,
    degree: degrees[name],
  }));
  const column = degrees.tensor * SIZE + 3 * GAP;
  const boxOf = (rank: number): Box => {
    const at = coordinates(mesh, rank);
    return {
      x: LEFT + at["pipeline"]! * column + at["tensor"]! * SIZE,
      y: TOP + at["data"]! * (SIZE + 2 * GAP),
      width: SIZE,
      height: SIZE,
    };
  };
  const ranks = Array.from({ length: worldSize(mesh) }, (_, rank) => rank);
  const cells = ranks.map((rank) => {
    const box = boxOf(rank);
    const middle = box.x + SIZE / 2;
    return [
      rect(box, rankColour(coordinates(mesh, rank)["tensor"]!)),
      label(middle, box.y + 28, `rank ${rank}`, { anchor: "middle", bold: true }),
      label(middle, box.y + 46, `tensor ${coordinates(mesh, rank)["tensor"]}`, {
        anchor: "middle",
        size: 11,
      }),
    ].join("\n");
  });
  // Tensor-parallel groups, each drawn from its first rank.
  const groups = ranks
    .map((rank) => members(mesh, rank, "tensor"))
    .filter(([first], rank) => first === rank)
    .map((group) => {
      const first = boxOf(group[0]!);
      return frame({
        x: first.x - GAP / 2,
        y: first.y - GAP / 2,
        width: group.length * SIZE + GAP,
        height: SIZE + GAP,
      });
    });
  const stages = Array.from({ length: degrees.pipeline }, (_, stage) =>
    label(LEFT + stage * column + (degrees.tensor * SIZE) / 2, 30, `pipeline stage ${stage}`, {
      anchor: "middle",
    }),
  );
  const rows = Array.from({ length: degrees.data }, (_, data) =>
    label(12, TOP + data * (SIZE + 2 * GAP) + SIZE / 2 + 4, `data ${data}`),
  );
  const width = LEFT + degrees.pipeline * column;
  const height = TOP + degrees.data * (SIZE + 2 * GAP) + 8;
  return picture(width, height, [...stages, ...rows, ...groups, ...cells]);
}
