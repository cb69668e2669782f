// All drawings of the documentation, by their names: made by the code that they show, and by figures of its pages.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createSchedules, drawSvg, scheduleKinds, simulate } from "@tessera/pipeline-parallel";
import { drawMesh } from "./mesh.js";
import { drawBars, drawLosses, type Curve } from "./plots.js";
import { drawSequenceShards, drawTensorShards } from "./shards.js";
import { figureOf, readTable } from "./tables.js";
import { drawZero } from "./zero.js";

/** The text of each file of docs/drawings. */
export function drawAll(docs: string): Map<string, string> {
  const performance = readFileSync(join(docs, "performance.md"), "utf8");
  const readCurve = (name: string): Curve =>
    readFileSync(join(docs, "figures", name), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Curve[number]);
  return new Map([
    ["mesh.svg", drawMesh({ pipeline: 2, data: 2, tensor: 2 })],
    ["tensor.svg", drawTensorShards(2)],
    ["sequence.svg", drawSequenceShards(2)],
    ["zero.svg", drawZero("gpt2", 8)],
    ...scheduleKinds.map((kind) => [`${kind}.svg`, drawSchedule(kind)] as const),
    [
      "tutorial_losses.svg",
      drawLosses([
        { name: "one process", curve: readCurve("tutorial_one.jsonl") },
        { name: "two ranks", curve: readCurve("tutorial_two.jsonl") },
      ]),
    ],
    ["training_step.svg", drawTraining(performance)],
    ["tokenizers.svg", drawTokenizers(performance)],
    ["bubbles.svg", drawBubbles(performance)],
  ]);
}

const drawSchedule = (kind: (typeof scheduleKinds)[number]): string =>
  drawSvg(
    simulate(
      createSchedules(kind, { stages: 3, microbatches: 6, chunks: kind === "interleaved" ? 2 : 1 }),
    ),
  );

function drawTraining(page: string): string {
  const ours = readTable(page, "case");
  // The second table of cases has the newer PyTorch alone.
  const newer = readTable(page.slice(page.indexOf("PyTorch 2.15, measured")), "case");
  return drawBars({
    title: "tokens per second of training, two threads",
    series: ["Tessera", "PyTorch 2.15", "PyTorch 1.13"],
    groups: ours.map((row, index) => ({
      name: row["case"]!,
      values: [
        figureOf(row, "tokens/s"),
        figureOf(newer[index]!, "PyTorch 2.15"),
        figureOf(row, "PyTorch 1.13"),
      ],
    })),
  });
}

const drawTokenizers = (page: string): string =>
  drawBars({
    title: "MB of text per second, one thread",
    series: ["first pass", "repeated"],
    groups: readTable(page, "tokenizer").map((row) => ({
      name: row["tokenizer"]!,
      values: [figureOf(row, "first pass"), figureOf(row, "repeated")],
    })),
  });

const drawBubbles = (page: string): string =>
  drawBars({
    title: "bubble in percent, two stages, eight microbatches",
    series: ["measured", "predicted"],
    groups: readTable(page, "schedule").map((row) => ({
      name: row["schedule"]!,
      values: [figureOf(row, "bubble"), figureOf(row, "predicted")],
    })),
  });
