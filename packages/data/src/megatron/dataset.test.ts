import { execFileSync } from "node:child_process";
import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { maskDocuments, resolveMasks, rankSamples } from "../index.js";
import {
  createDatasetWriter,
  openGptDataset,
  openIndexedDataset,
  parseDataPath,
  splitDocuments,
  tokenDtype,
} from "../megatron.js";

const FIXTURES = join(__dirname, "../../fixtures/megatron");

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

async function refusal(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (error instanceof UserError) return error.message.replaceAll(folder, "DIR");
    throw error;
  }
  return "no error";
}

/** How many files this process has open, where the system tells. */
const openFiles = (): number =>
  existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : 0;

/** Writes `bytes` at `position` of a file. */
function patch(name: string, position: number, bytes: readonly number[]): void {
  const content = readFileSync(at(name));
  content.set(bytes, position);
  writeFileSync(at(name), content);
}

describe("data that cannot be trained on is refused with a UserError", () => {
  const cases: readonly (readonly [string, () => void, RegExp])[] = [
    [
      "a .bin cut short",
      () => truncateSync(at("notes.bin"), 1000),
      /notes.bin: has 1000 bytes, but the index puts sequence 59 /,
    ],
    [
      "an .idx cut short",
      () => truncateSync(at("notes.idx"), 200),
      /has 200 bytes, but 60 sequences/,
    ],
    [
      "an .idx of a few bytes",
      () => truncateSync(at("notes.idx"), 20),
      /has 20 bytes, an index has/,
    ],
    ["a wrong magic", () => patch("notes.idx", 0, [0x58]), /is not an index of a Megatron dataset/],
    ["a wrong version", () => patch("notes.idx", 9, [2]), /has version 2 of the index format/],
    ["an unknown dtype", () => patch("notes.idx", 17, [99]), /has dtype 99, which the format/],
    ["floating-point numbers", () => patch("notes.idx", 17, [7]), /holds floating-point numbers/],
    ["a count that is huge", () => patch("notes.idx", 24, [0xff]), /it is cut short or damaged/],
    [
      "an offset outside",
      () => patch("notes.idx", 34 + 60 * 4 + 8 * 5 + 3, [1]),
      /puts sequence 5 at bytes/,
    ],
    [
      "a negative length",
      () => patch("notes.idx", 34 + 4 * 7 + 3, [0xff]),
      /puts sequence 7 at bytes/,
    ],
    [
      "a bound outside",
      () => patch("notes.idx", 34 + 60 * 12 + 8 * 3 + 2, [1]),
      /a document begins at/,
    ],
    [
      "a pipe for .bin",
      () => {
        rmSync(at("notes.bin"));
        execFileSync("mkfifo", [at("notes.bin")]);
      },
      /notes.bin: is not a regular file/,
    ],
    [
      "a missing .idx",
      () => rmSync(at("notes.idx")),
      /notes.idx: is not there; a dataset is two files/,
    ],
  ];

  test.each(cases)("%s", async (_what, damage, message) => {
    damage();
    const before = openFiles();
    const sentence = await refusal(() => openGptDataset(options()));
    expect(sentence).toMatch(message);
    expect(sentence).toMatch(/^DIR\/notes/);
    expect(openFiles()).toBe(before);
    const cache = at("index-cache");
    expect(existsSync(cache) ? readdirSync(cache) : []).toEqual([]); // nothing half built stays
  });

  test("a token over the vocabulary, also where the indices are cached", async () => {
    const open = () => openGptDataset({ ...options(), vocabularySize: 1000 });
    const first = await refusal(open);
    expect(first).toMatch(/notes: has token \d+, but the vocabulary ends before 1000/);
    expect(await refusal(open)).toBe(first);
    expect(await refusal(() => openGptDataset({ ...options(), vocabularySize: 50_257 }))).toBe(
      "no error",
    );
  });

  test("a negative token", async () => {
    const writer = createDatasetWriter(at("negative"), "i32");
    writer.append([1, 2, -3, 4]);
    writer.endDocument();
    writer.finish();
    const prefix = at("negative");
    expect(
      await refusal(() => openGptDataset({ ...options(), prefix, vocabularySize: 1000 })),
    ).toMatch(/negative.bin: has token -3, ids are not negative/);
  });

  test("an empty dataset", () => {
    const writer = createDatasetWriter(at("empty"), "u16");
    expect(() => writer.finish()).toThrow(/empty: there is no document to write/);
    const header = readFileSync(at("notes.idx")).subarray(0, 34);
    header.writeBigUInt64LE(0n, 18);
    header.writeBigUInt64LE(1n, 26);
    writeFileSync(at("empty.idx"), Buffer.concat([header, Buffer.alloc(8)]));
    writeFileSync(at("empty.bin"), "");
    expect(() => openIndexedDataset(at("empty"))).toThrow(/empty: the dataset is empty/);
  });

  test.each([
    ["-0.3 a 0.7 b", /blend weights -0.3 0.7: none may be negative/],
    ["0 a 0 b", /none may be negative, nor all 0/],
    ["0.3 a b", /weights and paths do not match/],
    ["0.3 a 0.7", /weights and paths do not match/],
    ["a 0.7 b", /weights and paths do not match/],
    ["0.3 0.7", /weights and paths do not match/],
  ])("--data-path %s", async (line, message) => {
    expect(await refusal(() => parseDataPath(line.split(" ")))).toMatch(message);
  });

  test.each(["", "-1,2", "0,0,0", "a", "1,1,1,1", "1,,1"])("--split %p", async (split) => {
    expect(await refusal(() => splitDocuments(split, 10))).toMatch(/must be one to three weights/);
  });
});

test("what is written is read again, in documents of several sequences, and appears at once", () => {
  const documents = [[[1, 2, 3], [4]], [[65_000]], [[7, 8]]];
  const writer = createDatasetWriter(at("new"), tokenDtype(50_257));
  for (const sequences of documents) {
    for (const tokens of sequences) {
      writer.append(tokens);
      writer.endSequence();
    }
    writer.endDocument();
  }
  expect(readdirSync(folder).filter((name) => /^new\.(bin|idx)$/.test(name))).toEqual([]);
  writer.finish();
  const dataset = openIndexedDataset(at("new"));
  dataset.verify();
  expect([...dataset.bounds.slice(0, dataset.bounds.length)]).toEqual([0, 2, 3, 4]);
  const read = documents.flat().map((tokens, sequence) => {
    const out = new Int32Array(tokens.length);
    dataset.read(sequence, 0, tokens.length, out);
    return [...out];
  });
  expect(read).toEqual(documents.flat());
  expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
});

test("tokens that end before the last sequence does are refused when they are opened", () => {
  truncateSync(at("notes.bin"), readFileSync(at("notes.bin")).length - 1);
  expect(() => openIndexedDataset(at("notes"))).toThrow("the index puts sequence 59 at bytes");
});

test("a dataset that is closed leaves no file open", async () => {
  const before = openFiles();
  const dataset = (await openGptDataset(options()))!;
  expect(openFiles() - before).toBe(before === 0 ? 0 : 5); // two of tokens, three of indices
  dataset.close();
  expect(await openGptDataset({ ...options(), name: "test", split: "1,0,0" })).toBeNull();
  expect(openFiles()).toBe(before);
});

test("a writer that is aborted leaves nothing", () => {
  const before = readdirSync(folder);
  const writer = createDatasetWriter(at("new"), "i32");
  writer.append([1, 2, 3]);
  writer.abort();
  expect(readdirSync(folder)).toEqual(before);
});

describe("a resumed run continues with the next sample", () => {
  test.each([
    [2, 4, 4, 2],
    [4, 2, 1, 8],
    [1, 8, 8, 1],
  ])(
    "after %d ranks of %d samples, with %d ranks of %d",
    (ranks, micro, laterRanks, laterMicro) => {
      const taken = (dataRanks: number, microBatch: number, consumedSamples: number) => {
        const rows = Array.from({ length: dataRanks }, (_, dataRank) => [
          ...rankSamples({ count: 40, consumedSamples, microBatch, dataRank, dataRanks }),
        ]);
        return rows[0]!.map((_, step) => rows.flatMap((own) => own[step]!)).flat();
      };
      const first = taken(ranks, micro, 0).slice(0, 16);
      expect([...first, ...taken(laterRanks, laterMicro, 16)]).toEqual(
        Array.from({ length: 40 }, (_, i) => i),
      );
    },
  );

  test("and says so where none is left", () => {
    const none = { count: 10, consumedSamples: 8, microBatch: 2, dataRank: 0, dataRanks: 2 };
    expect(() => [...rankSamples(none)]).toThrow(/8 of 10 samples are taken/);
  });
});

test("the end of a document masks its loss, and resets positions and attention", () => {
  const inputs = Int32Array.of(5, 9, 6, 7, 9, 9, 1, 2); // [2, 4], 9 ends a document
  const all = { endOfDocument: 9, maskLoss: true, resetPositions: true, resetAttention: true };
  expect(maskDocuments(inputs, 4, all)).toEqual({
    lossMask: Float32Array.of(1, 0, 1, 1, 0, 0, 1, 1),
    positions: Int32Array.of(0, 1, 0, 1, 0, 0, 0, 1),
    starts: Int32Array.of(0, 0, 2, 2, 0, 1, 2, 2),
  });
  const none = { endOfDocument: 9, maskLoss: false, resetPositions: false, resetAttention: false };
  const nothing = { lossMask: null, positions: null, starts: null };
  expect(maskDocuments(inputs, 4, none)).toEqual(nothing);
  expect(maskDocuments(inputs, 4)).toEqual(nothing);
});

describe("masks", () => {
  const asked = { maskLoss: true, resetPositions: false, resetAttention: false };

  test("are enabled by any flag, and need an id that ends documents", () => {
    const none = { maskLoss: false, resetPositions: false, resetAttention: false };
    expect(resolveMasks({ endOfDocument: 9, tokenizer: "t", ...none })).toBeUndefined();
    expect(resolveMasks({ endOfDocument: null, tokenizer: "t", ...none })).toBeUndefined();
    for (const flag of ["maskLoss", "resetPositions", "resetAttention"] as const) {
      const flags = { ...none, [flag]: true };
      expect(resolveMasks({ endOfDocument: 0, tokenizer: "t", ...flags })).toEqual({
        endOfDocument: 0,
        ...flags,
      });
    }
    expect(() => resolveMasks({ endOfDocument: null, tokenizer: "t", ...asked })).toThrow(
      "tokenizer t has no id that ends a document",
    );
  });
});

test("shares of documents are rounded as Python rounds, and what is over is taken from the middle", () => {
  // By hand from Megatron's get_train_valid_test_split_: round, add up, shift by the excess.
  expect(splitDocuments("1,1", 1)).toEqual([0, 1, 1, 1]); // 0.5 to 0
  expect(splitDocuments("1,1", 3)).toEqual([0, 1, 3, 3]); // 1.5 to 2
  expect(splitDocuments("1,1", 5)).toEqual([0, 3, 5, 5]); // 2.5 to 2
  expect(splitDocuments("1/1/2", 8)).toEqual([0, 2, 4, 8]);
  expect(splitDocuments("0,0,3", 7)).toEqual([0, 0, 0, 7]);
});
