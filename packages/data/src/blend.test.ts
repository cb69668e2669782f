import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { batchAt, openGptData, parseDataPath, sequentialOrder } from "./index.js";

const FIXTURES = join(__dirname, "../fixtures/megatron");
const BUILT = join(__dirname, "../dist/index.js");

const made: string[] = [];
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-dataset-"));
  made.push(folder);
  for (const name of ["notes.bin", "notes.idx"]) copyFileSync(join(FIXTURES, name), at(name));
});
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true });
});

const at = (name: string): string => join(folder, name);

describe("a blend of datasets", () => {
  const data = (paths: string) => ({
    paths: parseDataPath(paths.split(" ")),
    split: "90,10,0",
    sampleCounts: { train: 60, valid: 5, test: 5 },
    sequenceLength: 16,
    seed: 3,
    cacheFolder: at("cache"),
  });

  test("has the samples of its parts by weight, and no part where the split leaves none", async () => {
    const { parts, close } = await openGptData(
      data(`0.7 ${join(FIXTURES, "prose")} 0.3 ${at("notes")}`),
    );
    expect(parts.train).toMatchObject({ count: 60, length: 16 });
    expect(parts.test).toBeNull();
    const own = await openGptData(data(join(FIXTURES, "prose")));
    const [blended, alone] = [new Int32Array(17), new Int32Array(17)];
    parts.train!.read(0, blended);
    own.parts.train!.read(0, alone);
    expect(blended).toEqual(alone); // the heavier part comes first
    close();
    own.close();
  });

  test("is read ahead by a thread, batch for batch", async () => {
    const given = data(`0.7 ${join(FIXTURES, "prose")} 0.3 ${at("notes")}`);
    const { parts, close } = await openGptData(given);
    const expected = [8, 24, 40].map((first) => [
      ...batchAt(parts.train!, sequentialOrder(60), first + 4, 4).inputs,
    ]);
    close();
    const sampler = { consumedSamples: 8, microBatch: 4, dataRank: 1, dataRanks: 4 };
    const script = `
      import { prefetchBatches } from ${JSON.stringify(BUILT)};
      const start = (options) => prefetchBatches({ ...options, part: "train", depth: 2 });
      const ahead = start(${JSON.stringify({ ...sampler, data: given })});
      const batches = [];
      for (let batch = ahead.next(); batch !== null; batch = ahead.next()) batches.push([...batch.inputs]);
      await ahead.close();
      const bad = start(${JSON.stringify({ ...sampler, consumedSamples: 60, data: given })});
      let message = "";
      try { bad.next(); } catch (error) { message = error.name + ": " + error.message; }
      await bad.close();
      console.log(JSON.stringify({ batches, message }));`;
    const shown = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      timeout: 60_000,
    });
    const { batches, message } = JSON.parse(shown) as { batches: number[][]; message: string };
    expect(batches).toEqual(expected);
    expect(message).toMatch(/^UserError: 60 of 60 samples are taken/);
  });
});
