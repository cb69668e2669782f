import { spawn } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { thisProcess } from "@tessera/files";
import { UNSHARDED } from "@tessera/mesh";
import { fullSlice } from "@tessera/random";
import { latestCheckpoint } from "./folder.js";
import { metadataOf, elementAt, sourcesOf } from "../programs/sample_checkpoints.js";
import type { Index } from "./index_format.js";
import { readIndex } from "./read_index.js";
import { openCheckpoint } from "./open_checkpoint.js";
import { writeIndex } from "./write_index.js";
import { openWriter, type CheckpointWriter } from "./writer.js";

const ROWS = 6;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-sharded-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function open(ranks: number, keep = 0): Promise<CheckpointWriter[]> {
  const place = { folder, ranks, keep, timeoutSeconds: 5, barrier: () => undefined };
  const writers: CheckpointWriter[] = [];
  for (let rank = 0; rank < ranks; rank += 1) writers.push(await openWriter({ ...place, rank }));
  return writers;
}

const save = (writers: readonly CheckpointWriter[], step: number) =>
  Promise.all(
    writers.map((writer, rank) =>
      writer.write(metadataOf(step), sourcesOf(step, { rank, ranks: writers.length, rows: ROWS })),
    ),
  );

const close = (writers: readonly CheckpointWriter[]) =>
  Promise.all(writers.map((writer) => writer.close()));

/** Saves the checkpoints of some steps, by three ranks. */
async function saved(...steps: number[]): Promise<void> {
  const writers = await open(3);
  for (const step of steps) await save(writers, step);
  await close(writers);
}

const wholeTable = {
  shape: [ROWS, 8],
  ranges: [
    { path: "table", slice: fullSlice([ROWS, 8]), sliceOffset: 0, size: 8 * ROWS, tensorOffset: 0 },
  ],
};

/** Reads the latest checkpoint; its step. */
function load(): number {
  const checkpoint = openCheckpoint(latestCheckpoint(folder)!);
  try {
    checkpoint.verify(UNSHARDED);
    const { step } = checkpoint.progress;
    const expected = Array.from({ length: 8 * ROWS }, (_, index) => elementAt(step, index));
    expect([...checkpoint.values("weights", wholeTable)]).toEqual(expected);
    return step;
  } finally {
    checkpoint.close();
  }
}

test("what ranks write appears at once, complete, and is the latest", async () => {
  const writers = await open(3);
  const [first] = await save(writers, 4);
  expect(first).toMatchObject({ path: join(folder, "checkpoint-4") });
  expect(load()).toBe(4);
  expect(readFileSync(join(folder, "latest"), "utf8")).toBe("checkpoint-4\n");
  expect(readdirSync(join(folder, "checkpoint-4")).sort()).toEqual([
    "index.json",
    ...[1, 2, 3].map((rank) => `shard-0000${rank}-of-00003.safetensors`),
  ]);
  await close(writers);
  expect(readdirSync(folder).sort()).toEqual(["checkpoint-4", "latest"]);
});

test("the model's family and configuration are kept as they are; an index without a family is a GPT's", async () => {
  const model = { family: "encoder", config: { layers: [1, { a: null }] } };
  const [writer] = await open(1);
  const sources = sourcesOf(1, { rank: 0, ranks: 1, rows: ROWS });
  await writer!.write({ ...metadataOf(1), ...model }, sources);
  await writer!.close();
  const path = latestCheckpoint(folder)!;
  expect(openCheckpoint(path)).toMatchObject(model);
  const { family: _family, ...first } = readIndex(path);
  writeIndex(path, first as Index);
  expect(openCheckpoint(path).family).toBe("gpt");
});

test("a rank reads the bytes that it holds, and no others", async () => {
  await saved(1);
  const checkpoint = openCheckpoint(latestCheckpoint(folder)!);
  const window = { shape: [ROWS, 8], start: [0, 2], size: [ROWS, 3] };
  const columns = { path: "table", slice: window, sliceOffset: 4, size: 7, tensorOffset: 1 };
  const values = checkpoint.values("weights", { shape: [9], ranges: [columns] });
  const places = [4, 5, 6, 7, 8, 9, 10].map((i) => 8 * Math.floor(i / 3) + 2 + (i % 3));
  expect([...values]).toEqual([0, ...places.map((place) => elementAt(1, place)), 0]);
  expect(checkpoint.bytesRead).toBe(4 * 7);
  checkpoint.close();
});

test("a copy of the state is saved: what changes after the call does not matter", async () => {
  const [writer] = await open(1);
  const state = new Float32Array(8 * ROWS).fill(1);
  const [source] = sourcesOf(1, { rank: 0, ranks: 1, rows: ROWS });
  const written = writer!.write(metadataOf(1), [{ ...source!, copy: (into) => into.set(state) }]);
  state.fill(2);
  await written;
  await writer!.close();
  const checkpoint = openCheckpoint(latestCheckpoint(folder)!);
  expect(new Set(checkpoint.values("weights", wholeTable))).toEqual(new Set([1]));
  checkpoint.close();
});

test("only the latest ones are kept, and one of the same step is replaced", async () => {
  const writers = await open(2, 2);
  for (const step of [1, 2, 3]) await save(writers, step);
  expect(readdirSync(folder)).toContain("checkpoint-1"); // until it is known that 3 is good
  await save(writers, 3);
  await Promise.all(writers.map((writer) => writer.retain()));
  await close(writers);
  expect(readdirSync(folder).sort()).toEqual(["checkpoint-2", "checkpoint-3", "latest"]);
  expect(load()).toBe(3);
});

test("the latest is the one that was written last, or the one with most steps where that was removed", async () => {
  expect(latestCheckpoint(join(folder, "nowhere"))).toBeUndefined();
  expect(latestCheckpoint(folder)).toBeUndefined();
  await saved(9, 100, 20);
  expect(load()).toBe(20);
  rmSync(join(folder, "checkpoint-20"), { recursive: true });
  expect(load()).toBe(100);
});

describe("two jobs and one folder:", () => {
  const lock = () => join(folder, ".tessera-lock");

  test("the second is refused with the name of the lock, and the first continues", async () => {
    const writers = await open(1);
    await expect(open(1)).rejects.toThrow(UserError);
    await expect(open(1)).rejects.toThrow(`${lock()}: process ${process.pid} on `);
    await save(writers, 1);
    await close(writers);
    expect(load()).toBe(1);
  });

  test("a job whose lock was taken from it publishes nothing more", async () => {
    const writers = await open(1);
    await save(writers, 1);
    rmSync(lock());
    const other = await open(1);
    await expect(save(writers, 2)).rejects.toThrow(lock());
    await save(other, 3);
    await close([...writers, ...other]);
    expect(readdirSync(folder).sort()).toEqual(["checkpoint-1", "checkpoint-3", "latest"]);
  });

  test("what a dead job left is removed, except complete checkpoints", async () => {
    await saved(1);
    const gone = { ...thisProcess(), process: 2 ** 22 + 1, since: "", token: "x" };
    writeFileSync(lock(), JSON.stringify(gone));
    const whole = join(folder, "checkpoint-1");
    const hidden = join(folder, ".checkpoint-1.replaced-x");
    cpSync(whole, join(folder, ".checkpoint-2.partial-x"), { recursive: true });
    renameSync(whole, hidden);
    mkdirSync(join(folder, ".model.0123-1-2-3.partial")); // of an export
    await close(await open(1));
    expect(readdirSync(folder).sort()).toEqual(["checkpoint-1", "latest"]);
    expect(load()).toBe(1);
  });

  test("a zombie process holds no lock", async () => {
    // The child ends as soon as something is in the shell's place that never asks for it.
    const child = "until grep -q sleep /proc/$$/comm; do :; done";
    const shell = spawn("sh", ["-c", `${child} & echo $!; exec sleep 60`]);
    try {
      const ended = Number(await new Promise((resolve) => shell.stdout.once("data", resolve)));
      const stat = () => readFileSync(`/proc/${ended}/stat`, "utf8");
      while (!stat().includes(" Z ")) await sleep(10);
      const started = stat().split(") ")[1]!.split(" ")[19]!;
      const held = { ...thisProcess(), process: ended, started, since: "", token: "x" };
      writeFileSync(lock(), JSON.stringify(held));
      await close(await open(1));
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      shell.kill();
    }
  });
});

describe("refused by name, with the one before still complete:", () => {
  const at = (name: string) => join(folder, "checkpoint-2", name);
  const SHARD = "shard-00002-of-00003.safetensors";
  const flip = (path: string, byte: number) => {
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.at(byte)! ^ 1, byte < 0 ? bytes.length + byte : byte);
    writeFileSync(path, bytes);
  };
  test.each<[string, string, (path: string) => void, RegExp]>([
    ["a flipped bit", SHARD, (path) => flip(path, -5), /is damaged: weights\.table is not as/],
    ["a flipped bit in a header", SHARD, (path) => flip(path, 30), /is damaged/],
    ["a missing shard", SHARD, (path) => rmSync(path), /is missing from the checkpoint/],
    ["a cut shard", SHARD, (path) => truncateSync(path, 100), /is damaged: it has 100 bytes/],
    ["a longer shard", SHARD, (path) => truncateSync(path, 10_000), /is damaged: it has 10000/],
    ["a flipped bit in the index", "index.json", (path) => flip(path, 200), /is damaged: its sum/],
    ["a cut index", "index.json", (path) => truncateSync(path, 100), /is damaged: its sum/],
    ["another index", "index.json", (path) => writeFileSync(path, "{}"), /is damaged: its sum/],
  ])("%s", async (_fault, name, spoil, message) => {
    await saved(1, 2);
    spoil(at(name));
    expect(load).toThrow(UserError);
    expect(load).toThrow(message);
    expect(load).toThrow(at(name));
    rmSync(join(folder, "checkpoint-2"), { recursive: true });
    expect(load()).toBe(1);
  });

  test("an index with a valid checksum that leads out of the folder or of a tensor", async () => {
    await saved(2);
    const whole = readIndex(join(folder, "checkpoint-2"));
    const [file, ...files] = whole.files;
    const table = whole.tensors["weights.table"]!;
    const [piece, ...pieces] = table.pieces;
    const withPiece = (changes: object) => ({
      ...whole,
      tensors: { "weights.table": { ...table, pieces: [{ ...piece!, ...changes }, ...pieces] } },
    });
    for (const malformed of [
      { ...whole, files: [{ ...file!, name: "../../etc/passwd" }, ...files] },
      { ...whole, files: [{ ...file!, name: "/etc/passwd" }, ...files] },
      withPiece({ file: 99 }),
      withPiece({ first: 8 * ROWS }),
      withPiece({ start: [ROWS, 0] }),
      withPiece({ count: 2 ** 53 }),
      withPiece({ size: [2 ** 40, 2 ** 40] }),
      withPiece({ start: [0] }),
    ]) {
      writeIndex(join(folder, "checkpoint-2"), malformed);
      expect(load).toThrow(UserError);
      expect(load).toThrow(at("index.json"));
    }
    expect(existsSync(at(SHARD))).toBe(true);
  });

  test("elements that are in no file", async () => {
    await saved(2);
    const whole = readIndex(join(folder, "checkpoint-2"));
    const table = whole.tensors["weights.table"]!;
    const tensors = { "weights.table": { ...table, pieces: table.pieces.slice(1) } };
    writeIndex(join(folder, "checkpoint-2"), { ...whole, tensors });
    expect(load).toThrow(/index\.json: has 32 of 48 elements of weights\.table/);
  });
});
