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

const pathsOf = (...patterns: string[]): readonly string[] =>
  readTexts(patterns).texts.map(({ path }) => path.slice(root.length + 1));

function sentenceOf(...patterns: string[]): string {
  try {
    readTexts(patterns);
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

  test("a folder: its text files, however deep, sorted, without hidden folders", () => {
    expect(pathsOf(root)).toEqual(["a.MD", "b.txt", "deep/er/c.rst", "deep/x[1].txt"]);
  });

  test("a folder that is hidden itself, but named", () => {
    expect(pathsOf(at(".hidden"))).toEqual([".hidden/e.txt"]);
  });

  test("a glob: whatever matches", () => {
    expect(pathsOf(at("**/*.{py,rst}"))).toEqual(["deep/d.py", "deep/er/c.rst"]);
  });

  test("a name with glob characters: the file of that name", () => {
    expect(pathsOf(at("deep/x[1].txt"))).toEqual(["deep/x[1].txt"]);
  });

  test("patterns that overlap, in any order: each file once, in one order", () => {
    const patterns = [at("b.txt"), root, at("*.txt"), at("deep/../b.txt")];
    expect(pathsOf(...patterns)).toHaveLength(4);
    expect(pathsOf(at("deep"), at("b.txt"))).toEqual(["b.txt", "deep/er/c.rst", "deep/x[1].txt"]);
    expect(pathsOf(at("b.txt"), at("deep"))).toEqual(pathsOf(at("deep"), at("b.txt")));
  });

  test("files are in the order of their names, not of their lengths", () => {
    write({ "aaaa.txt": "a", "bb.txt": "b" });
    const names = ["b.txt", "bb.txt", "aaaa.txt"];
    expect(pathsOf(...names.map(at))).toEqual(["aaaa.txt", "b.txt", "bb.txt"]);
  });

  test("links are followed, also cyclic ones, and each file is listed once", () => {
    mkdirSync(at("links"));
    symlinkSync(at("b.txt"), at("links/file.txt"));
    symlinkSync(at("deep"), at("links/folder"));
    symlinkSync(at("links"), at("links/circle"));
    symlinkSync(at("nowhere"), at("links/broken.txt"));
    expect(pathsOf(at("links"))).toEqual([
      "links/file.txt",
      "links/folder/er/c.rst",
      "links/folder/x[1].txt",
    ]);
    expect(pathsOf(root)).toEqual(["a.MD", "b.txt", "deep/er/c.rst", "deep/x[1].txt"]);
  });
});

test("text is read as it is, but for a byte order mark at its start", () => {
  write({ "a.txt": "\ufeffcaf\u00e9\r\n\ufeff", "b.txt": "x" });
  const { texts, bytes, skipped } = readTexts([root]);
  expect(texts[0]).toEqual({ path: at("a.txt"), bytes: 13, text: "caf\u00e9\r\n\ufeff" });
  expect({ bytes, skipped }).toEqual({ bytes: 14, skipped: [] });
});

test("a folder's files that hold no text are skipped and listed", () => {
  write({ "a.txt": "a", "b.txt": "", "c.txt": Uint8Array.of(0xff, 0x41), "d.txt": "x\0y" });
  const { texts, skipped } = readTexts([root]);
  expect(texts).toHaveLength(1);
  expect(skipped.map(({ path }) => path)).toEqual([at("b.txt"), at("c.txt"), at("d.txt")]);
});

describe("what cannot be read is refused with a UserError", () => {
  test("nothing named", () => {
    expect(sentenceOf()).toBe("no text is named: give at least one file, folder or glob");
  });

  test("a missing file", () => {
    expect(sentenceOf(at("a.txt"))).toBe(
      "ROOT/a.txt: there is no such file or folder, check the path",
    );
  });

  test("a glob without a match, a folder without text", () => {
    write({ "image.png": "x" });
    expect(sentenceOf(at("*.txt"))).toMatch(/^ROOT\/\*\.txt: no file matches this pattern/);
    expect(sentenceOf(root)).toMatch(/^ROOT: the folder has no text files \(\.txt /);
  });

  test.each<[string, string | Uint8Array, string]>([
    ["empty", "", "is empty, text is needed"],
    ["binary", "a\0b", "is binary (it has zero bytes), plain text in UTF-8 is needed"],
    [
      "not UTF-8",
      Uint8Array.of(0x63, 0x61, 0x66, 0xe9),
      "is not UTF-8, convert it (iconv -t UTF-8) or leave it out",
    ],
  ])("a file that is %s", (_what, content, reason) => {
    write({ "a.txt": content });
    expect(sentenceOf(at("a.txt"))).toBe(`ROOT/a.txt: ${reason}`);
    expect(sentenceOf(root)).toBe(
      `ROOT: none of the 1 files there holds text (ROOT/a.txt: ${reason})`,
    );
  });

  test("a link that leads to itself", () => {
    symlinkSync(at("a.txt"), at("a.txt"));
    expect(sentenceOf(at("a.txt"))).toBe("ROOT/a.txt: cannot be examined (ELOOP), check the path");
  });

  // Of the processor's memory where nothing is, Linux tells when it is read.
  (existsSync("/proc/self/mem") ? test : test.skip)("a file that cannot be read", () => {
    expect(sentenceOf("/proc/self/mem")).toBe(
      "/proc/self/mem: cannot be read (EIO), check its permissions",
    );
  });

  test("a device", () => {
    expect(sentenceOf("/dev/zero")).toMatch(/^\/dev\/zero: is a device or a socket/);
  });

  test("too much, before it is read", () => {
    write({ "huge.txt": "" });
    truncateSync(at("huge.txt"), 3 * 2 ** 30); // sparse: takes no room
    expect(sentenceOf(at("huge.txt"))).toMatch(/^ROOT\/huge.txt: has 3.0 GiB, a file must not/);
    truncateSync(at("huge.txt"), 400 * 2 ** 20);
    for (let n = 0; n < 5; n += 1) {
      write({ [`${n}.txt`]: "" });
      truncateSync(at(`${n}.txt`), 400 * 2 ** 20);
    }
    expect(sentenceOf(root)).toBe(
      "the 6 text files have 2.3 GiB in all, which must not be more than 2.0 GiB, " +
        "name fewer of them",
    );
  });
});
