import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { thisProcess } from "@tessera/files";
import { openGptDataset } from "../megatron.js";
import { buildIndices } from "./gpt_indices.js";
import { openCachedIndices } from "./index_cache.js";

const FIXTURES = join(__dirname, "../../fixtures/megatron");
const BUILT = join(__dirname, "../../dist/megatron.js");

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

const options = () => ({
  prefix: at("notes"),
  name: "train" as const,
  split: "1",
  sampleCount: 50,
  sequenceLength: 32,
  seed: 7,
});

/** Writes `bytes` at `position` of a file. */
function patch(name: string, position: number, bytes: readonly number[]): void {
  const content = readFileSync(at(name));
  content.set(bytes, position);
  writeFileSync(at(name), content);
}

describe("the cache of indices", () => {
  const contents = async (): Promise<readonly number[]> => {
    const dataset = (await openGptDataset(options()))!;
    const out = new Int32Array(33);
    const tokens = Array.from({ length: dataset.count }, (_, i) => {
      dataset.read(i, out);
      return [...out];
    });
    dataset.close();
    return tokens.flat();
  };
  const files = () => readdirSync(at("index-cache"));

  test("is built once, and again where it is damaged or the data has changed", async () => {
    const expected = await contents();
    const [npy] = files().filter((name) => name.endsWith("shuffle_idx.npy"));
    const path = join("index-cache", npy!);
    patch(path, 200, [0xaa]);
    expect(await contents()).toEqual(expected);
    truncateSync(at(path), 150);
    expect(await contents()).toEqual(expected);
    utimesSync(at(path), 1, 1); // an old file that stays: nobody writes it again
    await contents();
    const { mtimeMs } = statSync(at(path));
    expect(mtimeMs).toBe(1000);
    utimesSync(at("notes.bin"), 5, 5);
    expect(await contents()).toEqual(expected);
    expect(files().filter((name) => name.endsWith(".json"))).toHaveLength(2);
  });

  const build = () => ({
    ...buildIndices({
      lengths: [5, 5],
      first: 0,
      end: 2,
      sampleCount: 4,
      sequenceLength: 2,
      seed: 1,
    }),
    largestToken: null,
  });
  const lockOf = (description: string) => createHash("md5").update(description).digest("hex");

  test("is refused where what was just built cannot be read, not built for ever", async () => {
    const description = "x".repeat(2 ** 20); // with the checksums more than is read
    let builds = 0;
    const buildOnce = () => {
      builds += 1;
      return build();
    };
    await expect(openCachedIndices({ folder, description, build: buildOnce })).rejects.toThrow(
      /has \d+ bytes/,
    );
    expect(builds).toBe(1);
  });

  test("waits for the builder, and continues when it is done", async () => {
    const lock = at(`${lockOf("waiting")}.lock`);
    writeFileSync(lock, "");
    let done = false;
    const waiting = openCachedIndices({ folder, description: "waiting", build }).then((found) => {
      done = true;
      return found;
    });
    await pause(200);
    expect(done).toBe(false);
    rmSync(lock);
    expect((await waiting).shuffleIndex.array.length).toBe(4);
  });

  test("takes over from a builder without a heartbeat", async () => {
    writeFileSync(at(`${lockOf("stale")}.lock`), "");
    const found = await openCachedIndices({ folder, description: "stale", build, timeoutMs: 100 });
    expect(found.documentIndex.array.length).toBe(2);
  });

  test("loses the lock of a builder that was killed when all was written, not that of one that lives", async () => {
    const description = "killed";
    const lock = at(`${lockOf(description)}.lock`);
    const open = () => openCachedIndices({ folder, description, build });
    await open();
    const holder = { ...thisProcess(), since: new Date().toISOString(), token: "0" };
    writeFileSync(lock, JSON.stringify(holder));
    await open();
    expect(existsSync(lock)).toBe(true);
    writeFileSync(lock, JSON.stringify({ ...holder, started: "0" }));
    await open();
    expect(existsSync(lock)).toBe(false);
  });

  test("gives every process the same, whoever was first", async () => {
    const script = `
      import { openGptDataset } from ${JSON.stringify(BUILT)};
      const dataset = await openGptDataset(${JSON.stringify(options())});
      const out = new Int32Array(33);
      dataset.read(3, out);
      console.log(dataset.count, out.join(" "));`;
    const run = promisify(execFile);
    const answers = await Promise.all(
      Array.from({ length: 4 }, () =>
        run(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" }),
      ),
    );
    expect(new Set(answers.map(({ stdout }) => stdout)).size).toBe(1);
    expect(files().filter((name) => /lock|partial/.test(name))).toEqual([]);
    expect(files()).toHaveLength(4);
  });
});
