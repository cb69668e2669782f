import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openGptData, parseDataPath } from "./index.js";

const FIXTURES = join(__dirname, "../fixtures/megatron");

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
});
