import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execFileSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import { readTexts } from "../texts.js";

const made: string[] = [];
let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tessera-data-"));
  made.push(root);
});
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

const at = (path: string): string => join(root, path);

/** Writes files by their path below the root. */
function write(files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), content);
  }
}

const pathsOf = async (...patterns: string[]): Promise<readonly string[]> =>
  (await readTexts(patterns)).texts.map(({ path }) => path.slice(root.length + 1));

async function sentenceOf(...patterns: string[]): Promise<string> {
  try {
    await readTexts(patterns);
  } catch (error) {
    if (error instanceof UserError) return error.message.replaceAll(root, "ROOT");
    throw error;
  }
  return "no error";
}

describe("a pattern stands for files", () => {
  beforeEach(() => {
    write({
      "b.txt": "b",
      "a.MD": "a",
      "deep/er/c.rst": "c",
      "deep/d.py": "d",
      "deep/x[1].txt": "x",
      ".hidden/e.txt": "e",
    });
  });

  test("a folder: its text files, however deep, sorted, without hidden folders", async () => {
    expect(await pathsOf(root)).toEqual(["a.MD", "b.txt", "deep/er/c.rst", "deep/x[1].txt"]);
  });

  test("a folder that is hidden itself, but named", async () => {
    expect(await pathsOf(at(".hidden"))).toEqual([".hidden/e.txt"]);
  });

  test("a glob: whatever matches", async () => {
    expect(await pathsOf(at("**/*.{py,rst}"))).toEqual(["deep/d.py", "deep/er/c.rst"]);
  });

  test("a name with glob characters: the file of that name", async () => {
    expect(await pathsOf(at("deep/x[1].txt"))).toEqual(["deep/x[1].txt"]);
  });

  test("patterns that overlap, in any order: each file once, in one order", async () => {
    const patterns = [at("b.txt"), root, at("*.txt"), at("deep/../b.txt")];
    expect(await pathsOf(...patterns)).toHaveLength(4);
    expect(await pathsOf(at("deep"), at("b.txt"))).toEqual([
      "b.txt",
      "deep/er/c.rst",
      "deep/x[1].txt",
    ]);
    expect(await pathsOf(at("b.txt"), at("deep"))).toEqual(await pathsOf(at("deep"), at("b.txt")));
  });

  test("files are in the order of their names, not of their lengths", async () => {
    write({ "aaaa.txt": "a", "bb.txt": "b" });
    const names = ["b.txt", "bb.txt", "aaaa.txt"];
    expect(await pathsOf(...names.map(at))).toEqual(["aaaa.txt", "b.txt", "bb.txt"]);
  });

  test("links are followed, also cyclic ones, and each file is listed once", async () => {
    mkdirSync(at("links"));
    symlinkSync(at("b.txt"), at("links/file.txt"));
    symlinkSync(at("deep"), at("links/folder"));
    symlinkSync(at("links"), at("links/circle"));
    symlinkSync(at("nowhere"), at("links/broken.txt"));
    expect(await pathsOf(at("links"))).toEqual([
      "links/file.txt",
      "links/folder/er/c.rst",
      "links/folder/x[1].txt",
    ]);
    expect(await pathsOf(root)).toEqual(["a.MD", "b.txt", "deep/er/c.rst", "deep/x[1].txt"]);
  });
});

test("text is read as it is, but for a byte order mark at its start", async () => {
  write({ "a.txt": "\ufeffcaf\u00e9\r\n\ufeff", "b.txt": "x" });
  const { texts, bytes, skipped } = await readTexts([root]);
  expect(texts[0]).toEqual({ path: at("a.txt"), text: "caf\u00e9\r\n\ufeff" });
  expect({ bytes, skipped }).toEqual({ bytes: 11, skipped: [] });
});

test("a folder's files that hold no text are skipped and listed", async () => {
  write({ "a.txt": "a", "b.txt": "", "c.txt": Uint8Array.of(0xff, 0x41), "d.txt": "x\0y" });
  const { texts, skipped } = await readTexts([root]);
  expect(texts).toHaveLength(1);
  expect(skipped.map(({ path }) => path)).toEqual([at("b.txt"), at("c.txt"), at("d.txt")]);
});

describe("JSON lines, compressed or not, are a document per line", () => {
  const lines = '\ufeff{"text": "one\u2028 line"}\n\n{"text": "two", "id": 2}\n';

  test.each<[string, string | Uint8Array]>([
    ["a.jsonl", lines],
    ["a.NDJSON", lines],
    ["a.jsonl.gz", gzipSync(lines)],
    ["a.json.gz", Buffer.concat([gzipSync(lines.slice(0, 9)), gzipSync(lines.slice(9))])],
  ])("%s", async (name, content) => {
    write({ [name]: content });
    const { texts, files, bytes } = await readTexts([at(name)]);
    expect(texts.map(({ text }) => text)).toEqual(["one\u2028 line", "two"]);
    expect({ files, bytes }).toEqual({ files: 1, bytes: Buffer.byteLength(lines) - 3 });
  });

  test("text that is compressed is one document, whatever its name", async () => {
    write({ "a.txt.gz": gzipSync("one\ntwo"), "b.txt": gzipSync("three") });
    const { texts } = await readTexts([at("a.txt.gz"), at("b.txt")]);
    expect(texts.map(({ text }) => text)).toEqual(["one\ntwo", "three"]);
  });

  test.each<[string, string | Uint8Array, RegExp]>([
    ["a.jsonl", '{"text": "a"}\n{"text": 1}\n', /line 2 has no text under "text"/],
    ["a.jsonl", '[{"text": "a"},\n', /line 1 is a part of a JSON array/],
    ["a.jsonl", "\n", /is empty/],
    ["a.txt.gz", gzipSync("text").subarray(0, 20), /cannot be decompressed \(it ends too early\)/],
    ["a.txt.gz", gzipSync(Uint8Array.of(1, 0)), /is binary/],
    ["a.gz", gzipSync(gzipSync("PAR1 PAR1")), /is not UTF-8|is binary/],
    ["a.parquet", "PAR1", /is a table of Parquet, which is not read here/],
    ["a.csv", "a,b", /is a table of CSV/],
    ["a.txt", "PAR1\u0001", /is a table of Parquet/],
    ["a.txt", Uint8Array.of(0xff, 0xfe, 0x41, 0), /is UTF-16/],
    ["a.txt", "BZh91AY", /is compressed by bzip2/],
  ])("%s is refused where it is something else: %#", async (name, content, reason) => {
    write({ [name]: content });
    expect(await sentenceOf(at(name))).toMatch(reason);
  });

  test("a pipe with a name is refused, and nobody waits for it", async () => {
    execFileSync("mkfifo", [at("a.txt")]);
    expect(await sentenceOf(at("a.txt"))).toMatch(/is a pipe with a name/);
  });
});

describe("what cannot be read is refused with a UserError", () => {
  test("nothing named", async () => {
    expect(await sentenceOf()).toBe("no text is named: give at least one file, folder or glob");
  });

  test("a missing file", async () => {
    expect(await sentenceOf(at("a.txt"))).toBe(
      "ROOT/a.txt: there is no such file or folder, check the path",
    );
  });

  test("a glob without a match, a folder without text", async () => {
    write({ "image.png": "x" });
    expect(await sentenceOf(at("*.txt"))).toMatch(/^ROOT\/\*\.txt: no file matches this pattern/);
    expect(await sentenceOf(root)).toMatch(/^ROOT: the folder has no text files \(\.txt /);
  });

  test.each<[string, string | Uint8Array, string]>([
    ["empty", "", "is empty, text is needed"],
    ["binary", "a\0b", "is binary (it has zero bytes), plain text in UTF-8 is needed"],
    [
      "not UTF-8",
      Uint8Array.of(0x63, 0x61, 0x66, 0xe9),
      "is not UTF-8, convert it (iconv -t UTF-8) or leave it out",
    ],
  ])("a file that is %s", async (_what, content, reason) => {
    write({ "a.txt": content });
    expect(await sentenceOf(at("a.txt"))).toBe(`ROOT/a.txt: ${reason}`);
    expect(await sentenceOf(root)).toBe(
      `ROOT: none of the 1 files there holds text (ROOT/a.txt: ${reason})`,
    );
  });

  test("a link that leads to itself", async () => {
    symlinkSync(at("a.txt"), at("a.txt"));
    expect(await sentenceOf(at("a.txt"))).toBe(
      "ROOT/a.txt: cannot be examined (ELOOP), check the path",
    );
  });

  // Of the processor's memory where nothing is, Linux tells when it is read.
  (existsSync("/proc/self/mem") ? test : test.skip)("a file that cannot be read", async () => {
    expect(await sentenceOf("/proc/self/mem")).toBe("/proc/self/mem: cannot be read (EIO)");
  });

  test("a device", async () => {
    expect(await sentenceOf("/dev/zero")).toMatch(/^\/dev\/zero: is a device or a socket/);
  });

  test("too much, before it is read", async () => {
    write({ "huge.txt": "" });
    truncateSync(at("huge.txt"), 3 * 2 ** 30); // sparse: takes no room
    expect(await sentenceOf(at("huge.txt"))).toMatch(
      /^ROOT\/huge.txt: has 3.0 GiB, a file must not/,
    );
    truncateSync(at("huge.txt"), 400 * 2 ** 20);
    for (let n = 0; n < 5; n += 1) {
      write({ [`${n}.txt`]: "" });
      truncateSync(at(`${n}.txt`), 400 * 2 ** 20);
    }
    expect(await sentenceOf(root)).toBe(
      "the 6 text files have 2.3 GiB in all, which must not be more than 2.0 GiB, " +
        "name fewer of them",
    );
  });
});
