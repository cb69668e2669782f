import fs, {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { describe, expect, jest, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { scratchFolder } from "@tessera/testing";
import {
  appendText,
  createFileAtomic,
  isRunning,
  makeFolder,
  readFully,
  readJson,
  readText,
  removeLeftovers,
  stageFolder,
  thisProcess,
  writeFileAtomic,
  writeFully,
  type ProcessIdentity,
} from "./index.js";
import { machineOf } from "./process_identity.js";

const at = scratchFolder("files");
const textOf = (path: string): string => readFileSync(path, "utf8");
const names = (folder: string): string[] => readdirSync(folder).sort();

describe("a file that is written atomically", () => {
  const folder = at("atomic");
  const path = `${folder}/a`;
  mkdirSync(folder);

  test("has its old content until it is whole", () => {
    writeFileAtomic(path, "old");
    const file = createFileAtomic(path);
    writeFully(file.descriptor, Buffer.from("new"));
    expect(textOf(path)).toBe("old");
    expect(names(folder).filter((name) => /^\.a\..*\.partial$/.test(name))).toHaveLength(1);
    file.commit();
    file.abort();
    expect(textOf(path)).toBe("new");
    expect(names(folder)).toEqual(["a"]);
  });

  test("keeps its old content where writing fails, and nothing is left beside it", () => {
    writeFileAtomic(path, Uint8Array.of(0x61));
    const fail = (): void => {
      throw new Error("no more");
    };
    expect(() => writeFileAtomic(path, fail)).toThrow("no more");
    expect(textOf(path)).toBe("a");
    expect(names(folder)).toEqual(["a"]);
  });

  test("is refused in a sentence where its folder is not there", () => {
    const write = (): void => writeFileAtomic(at("nowhere/a"), "");
    expect(write).toThrow(UserError);
    expect(write).toThrow(`${at("nowhere/a")}: cannot be written (ENOENT); check the folder`);
  });
});

describe("a folder that is staged", () => {
  test("appears with all its files", () => {
    const staged = stageFolder(at("new"));
    writeFileSync(`${staged.path}/a`, "1");
    expect(names(at("."))).not.toContain("new");
    staged.commit();
    staged.abort();
    expect(names(at("new"))).toEqual(["a"]);
  });

  test("replaces the files of a folder that exists, and leaves its others", () => {
    const folder = at("there");
    mkdirSync(folder);
    for (const name of ["a", "b"]) writeFileSync(`${folder}/${name}`, "old");
    const staged = stageFolder(folder);
    writeFileSync(`${staged.path}/a`, "new");
    expect(textOf(`${folder}/a`)).toBe("old");
    staged.commit();
    expect(names(folder)).toEqual(["a", "b"]);
    expect([textOf(`${folder}/a`), textOf(`${folder}/b`)]).toEqual(["new", "old"]);
  });

  test("leaves nothing where it is aborted", () => {
    stageFolder(at("dropped")).abort();
    expect(names(at(".")).filter((name) => name.includes("dropped"))).toEqual([]);
  });
});

describe("a process", () => {
  const here = thisProcess();
  const linux = process.platform === "linux" ? test : test.skip;

  test.each<[what: string, changes: Partial<ProcessIdentity>, runs: boolean | null]>([
    ["this one runs", {}, true],
    ["one whose number nobody has is gone", { process: 2 ** 22 + 1 }, false],
  ])("%s", (_what, changes, runs) => {
    expect(isRunning({ ...here, ...changes })).toBe(runs);
  });

  linux.each<[what: string, changes: Partial<ProcessIdentity>, runs: boolean | null]>([
    ["whose number another has now is gone", { started: "1" }, false],
    ["1 of a container that was started again is gone", { process: 1, started: "1" }, false],
    ["1 of another container is not ours to see", { process: 1, namespace: "pid:[1]" }, null],
    ["before a restart of the machine, or on another of its name, is not", { boot: "b" }, null],
  ])("%s", (_what, changes, runs) => {
    expect(isRunning({ ...here, ...changes })).toBe(runs);
  });

  test("without a kernel's number is told by the name of its host", () => {
    const bare = { boot: "", namespace: "", host: "a" };
    expect(machineOf({ ...here, ...bare })).not.toBe(machineOf({ ...here, ...bare, host: "b" }));
    expect(machineOf({ ...here, host: "renamed" })).toBe(machineOf(here));
  });
});

describe("what was partly written", () => {
  const partials = (folder: string): string[] =>
    names(folder).filter((n) => n.endsWith(".partial"));
  const owned = (changes: Partial<ProcessIdentity>): string => {
    const owner = { ...thisProcess(), ...changes };
    return `${machineOf(owner)}-${owner.process}-${owner.started}-00ff`;
  };

  test("by a process that is no more is removed by the next that writes the same", () => {
    const folder = at("partials");
    mkdirSync(`${folder}/.a.${owned({ started: "1" })}.partial`, { recursive: true });
    writeFileSync(`${folder}/.a.${owned({ process: 2 ** 22 + 1 })}.partial`, "");
    const kept = [
      `.a.${owned({})}.partial`, // by this process
      `.a.${owned({ namespace: "pid:[1]", boot: "b" })}.partial`, // elsewhere, just now
      `.b.${owned({ started: "1" })}.partial`, // another file
    ];
    for (const name of kept) writeFileSync(`${folder}/${name}`, "");
    const old = `${folder}/.a.0123456789ab-1-1-00.partial`;
    writeFileSync(old, "");
    utimesSync(old, 1, 1);
    writeFileAtomic(`${folder}/a`, "whole");
    expect(partials(folder)).toEqual(kept.sort());
    removeLeftovers(folder);
    expect(names(folder)).toEqual(["a"]);
  });

  test("of a folder that is staged is removed too, inside it or beside it", () => {
    const folder = at("staged");
    mkdirSync(`${folder}/.staged.${owned({ started: "1" })}.partial`, { recursive: true });
    const staged = stageFolder(folder);
    expect(partials(folder)).toHaveLength(1);
    staged.abort();
    expect(names(folder)).toEqual([]);
  });
});

describe("what is read", () => {
  test("is no larger than it may be, a regular file, and JSON where that is needed", () => {
    writeFileSync(at("json"), '{"a": 1}');
    expect(readJson(at("json"), 8)).toEqual({ a: 1 });
    expect(() => readJson(at("json"), 7)).toThrow("json: has 8 bytes, must have at most 7");
    expect(() => readText(at("none"), 8)).toThrow("none: cannot be read (ENOENT), check the path");
    expect(() => readText("/dev/zero", 8)).toThrow("/dev/zero: is not a regular file");
    writeFileSync(at("json"), "{");
    expect(() => readJson(at("json"), 8)).toThrow("json: is not JSON");
  });

  test("is all of what was asked for, wherever it is in the file", () => {
    writeFileSync(at("short"), Buffer.from("0123456789"));
    const file = { path: "short", descriptor: openSync(at("short"), "r+") };
    const four = new Uint8Array(4);
    readFully(file, four, 6);
    expect(Buffer.from(four).toString()).toBe("6789");
    expect(() => readFully(file, four, 8)).toThrow("short: became shorter while it was read");
    writeFully(file.descriptor, Uint16Array.of(0x6261), 3);
    closeSync(file.descriptor);
    expect(textOf(at("short"))).toBe("012ab56789");
  });
});

describe("a file that grows", () => {
  test("has each piece whole", () => {
    appendText(at("grown"), "one\n");
    appendText(at("grown"), "two\n");
    expect(textOf(at("grown"))).toBe("one\ntwo\n");
    expect(() => appendText(at("nowhere/grown"), "")).toThrow(
      `${at("nowhere/grown")}: cannot be written (ENOENT); check the folder`,
    );
  });

  test("loses the half of a piece for which there was no room", () => {
    const short = (
      file: number,
      bytes: Uint8Array,
      offset: number,
      _length: number,
      at: number,
    ) => {
      write.mockImplementationOnce(() => {
        throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
      });
      return fs.writevSync(file, [bytes.subarray(offset, offset + 2)], at);
    };
    const write = jest.spyOn(fs, "writeSync").mockImplementationOnce(short as typeof fs.writeSync);
    expect(() => appendText(at("grown"), "three\n")).toThrow(
      "grown: cannot be written (the disk is full)",
    );
    write.mockRestore();
    expect(textOf(at("grown"))).toBe("one\ntwo\n");
  });
});

describe("a folder to write into", () => {
  test("is made with those above it, and may be there already", () => {
    makeFolder(at("x/y/z"));
    makeFolder(at("x/y/z"));
    expect(names(at("x/y"))).toEqual(["z"]);
  });

  test.each(["/proc/x/y", "/dev/null/x", "/dev/null"])(
    "is refused where it cannot be: %s",
    (path) => {
      expect(() => makeFolder(path)).toThrow(/^E\w+: /);
    },
  );
});
