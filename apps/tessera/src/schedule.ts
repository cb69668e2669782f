// tessera schedule: draws a pipeline schedule, checks it, and computes its bubble.

import { writeFileSync } from "node:fs";
import { choice, EXIT, number, text, toggle, UserError } from "@tessera/config";
import { readText } from "@tessera/files";
import {
  drawSvg,
  drawText,
  parseSchedule,
  scheduleKinds,
  createSchedules,
  formatSchedule,
  simulate,
  type PipelineSchedule,
  type Timeline,
} from "@tessera/pipeline-parallel";
import { defineCommand } from "./command.js";

const count = { min: 1, max: 4096, whole: true };

const program = {
  name: "tessera schedule",
  summary: "Draws and checks the schedule of a pipeline; forward takes 1, backward 2.",
  epilogue: [
    "F is forward, B backward, I and W its halves for inputs and weights; F0.1 is microbatch 0 of chunk 1.",
    "",
    "Example: tessera schedule --stages 4 --micro-batches 8 --kind zero-bubble --svg pipeline.svg",
  ].join("\n"),
  groups: {
    Pipeline: {
      kind: choice("which schedule", scheduleKinds, "1f1b"),
      stages: number("ranks along the pipeline", count, 4),
      "micro-batches": number("microbatches of a step", count, 8),
      chunks: number("model chunks on each stage, for interleaved", count, 1),
      file: text("check this schedule instead: a line of actions for each stage", "FILE"),
    },
    Output: {
      svg: text("write the picture as SVG", "FILE"),
      json: toggle("print the schedules and what was found, as JSON", false),
    },
  },
} as const;

export const schedule = defineCommand(program, (parsed) => {
  const { kind, stages, "micro-batches": microbatches, chunks, file, svg, json } = parsed.values;
  const schedules =
    file === undefined
      ? createSchedules(kind, { stages, microbatches, chunks })
      : readSchedules(file);
  const timeline = simulate(schedules);
  if (svg !== undefined) writePicture(svg, timeline);
  process.stdout.write(json ? asJson(schedules, timeline) : asText(timeline));
  return EXIT.done;
});

function readSchedules(file: string): PipelineSchedule[] {
  try {
    const lines = readText(file, 2 ** 26).split("\n");
    return lines.filter((line) => line.trim() !== "").map(parseSchedule);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { message } = error;
    throw new UserError(`--file ${message.startsWith(file) ? message : `${file}: ${message}`}`);
  }
}

function writePicture(file: string, timeline: Timeline): void {
  try {
    writeFileSync(file, drawSvg(timeline));
  } catch (error) {
    throw new UserError(
      `--svg ${file}: cannot be written (${(error as NodeJS.ErrnoException).code})`,
    );
  }
}

function asText(timeline: Timeline): string {
  const { length, bubble, peakInFlight } = timeline;
  return [
    drawText(timeline, { colour: process.stdout.isTTY && !process.env["NO_COLOR"] }),
    "",
    `length     ${length}, of which stages wait ${(100 * bubble).toFixed(1)}%`,
    `in flight  ${peakInFlight.join(", ")} microbatches at most, by stage`,
    "",
  ].join("\n");
}

const asJson = (schedules: readonly PipelineSchedule[], timeline: Timeline): string => {
  const { length, bubble, peakInFlight } = timeline;
  return `${JSON.stringify({ schedules: schedules.map(formatSchedule), length, bubble, peakInFlight }, null, 2)}\n`;
};
