// The thread is of the built package, so the programs that start it run outside of Jest.

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createFeed, type Feed } from "../index.js";
import { openGptData, parseDataPath } from "../megatron.js";

const FIXTURES = join(__dirname, "../../fixtures/megatron");
const BUILT = pathToFileURL(join(__dirname, "../../dist")).href;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-prefetch-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const data = () => ({
  paths: parseDataPath(["0.7", join(FIXTURES, "prose"), "0.3", join(FIXTURES, "notes")]),
  split: "100,0,0",
  sampleCounts: { train: 60, valid: 0, test: 0 },
  sequenceLength: 16,
  seed: 3,
  cacheFolder: folder,
});
const masks = { endOfDocument: 7, maskLoss: true, resetPositions: true, resetAttention: true };

/** Runs `body`, in which `ahead(options)` reads ahead, and returns what it makes of `out`. */
function run(body: string): { out: number[][]; warnings: string } {
  const script = `
    import { createFeed } from "${BUILT}/index.js";
    import { openGptData, prefetch } from "${BUILT}/megatron.js";
    const data = ${JSON.stringify(data())}, masks = ${JSON.stringify(masks)};
    const { splits } = await openGptData(data);
    const plain = createFeed(splits.train, { masks });
    const ahead = (options) =>
      prefetch(plain, { data, split: "train", masks, dataRank: 0, dataRanks: 1, depth: 2, ...options });
    const out = [];
    ${body}
    console.log(JSON.stringify(out));`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--input-type=module", "-e", script],
    { encoding: "utf8", timeout: 60_000 },
  );
  expect(status).toBe(0);
  return { out: JSON.parse(stdout) as number[][], warnings: stderr };
}

const numbersOf = (feed: Feed, first: number, size: number): number[] => {
  const { inputs, targets, positions, starts } = feed.batch(first, size);
  return [...inputs, ...targets, ...positions!, ...starts!];
};
const NUMBERS_OF =
  "const take = ({ inputs, targets, positions, starts }) => out.push([...inputs, ...targets, ...positions, ...starts]);";

describe("a feed that a thread reads ahead", () => {
  const expected = async (firsts: readonly number[], size: number): Promise<number[][]> => {
    const { splits, close } = await openGptData(data());
    const feed = createFeed(splits.train!, { masks });
    const batches = firsts.map((first) => numbersOf(feed, first, size));
    close();
    return batches;
  };

  test("gives the batches of the feed, from any sample on", async () => {
    const { out, warnings } = run(`
      ${NUMBERS_OF}
      const feed = ahead({ dataRank: 1, dataRanks: 4 });
      for (const first of [12, 28, 44, 4, 20]) take(feed.batch(first, 4));`);
    expect(out).toEqual(await expected([12, 28, 44, 4, 20], 4));
    expect(warnings).toBe("");
  });

  test("is read without the thread where that runs out of memory", async () => {
    const { out, warnings } = run(`
      ${NUMBERS_OF}
      const feed = ahead({ heapMegabytes: 1, timeoutMs: 5000 });
      for (const first of [0, 4, 8]) take(feed.batch(first, 4));`);
    expect(out).toEqual(await expected([0, 4, 8], 4));
    expect(warnings.match(/data ahead has died/g)).toHaveLength(1);
  });

  test("says where it ends, as the feed does", () => {
    const { out } = run(`
      const feed = ahead({});
      try { feed.batch(60, 4); } catch (error) { out.push(error.name + ": " + error.message); }
      feed.batch(52, 4); feed.batch(56, 4);
      try { feed.batch(60, 4); } catch (error) { out.push(error.name + ": " + error.message); }`);
    const past = "UserError: 60 of 60 samples are taken, the next micro-batches need 4";
    expect(String(out[0]).slice(0, past.length)).toBe(past);
    expect(out[1]).toMatch(/RangeError: sample 60/);
  });
});
