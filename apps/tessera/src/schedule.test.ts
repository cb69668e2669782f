import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";

const TESSERA = join(__dirname, "../dist/main.js");
const folder = mkdtempSync(join(tmpdir(), "tessera-schedule-"));
afterAll(() => rmSync(folder, { recursive: true }));

const schedule = (...flags: string[]): string =>
  execFileSync(process.execPath, [TESSERA, "schedule", ...flags], { encoding: "utf8" });

test("a pipeline is drawn to scale, with what it waits and keeps", () => {
  expect(schedule("--stages", "2", "--micro-batches", "2").split("\n")).toEqual([
    "stage 0  F0 F1 ......B0    ...B1",
    "stage 1  ...F0 B0    F1 B1",
    "",
    "length     9, of which stages wait 33.3%",
    "in flight  2, 1 microbatches at most, by stage",
    "",
  ]);
});

test("the picture has a cell for every action", () => {
  const svg = join(folder, "pipeline.svg");
  schedule("--kind", "zero-bubble", "--stages", "3", "--micro-batches", "4", "--svg", svg);
  expect(readFileSync(svg, "utf8").match(/text-anchor/g)).toHaveLength(3 * 4 * 3);
});

test("a schedule of one's own is checked, and refused with the place where it hangs", () => {
  const file = join(folder, "own.txt");
  writeFileSync(file, "F0 F1 B0 B1\nF0 B0 F1 B1\n");
  expect(JSON.parse(schedule("--file", file, "--json"))).toMatchObject({ peakInFlight: [2, 1] });
  writeFileSync(file, "F0 B0 F1 B1\nF1 B1 F0 B0\n");
  const { status, stderr } = spawnSync(process.execPath, [TESSERA, "schedule", "--file", file], {
    encoding: "utf8",
  });
  expect(status).toBe(2);
  expect(stderr).toMatch(/the schedules deadlock: stage 0 at B0, stage 1 at F1\n$/);
});
