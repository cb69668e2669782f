import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { describe, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { scratchFolder } from "@tessera/testing";
import {
  createFileAtomic,
  hasHeartbeat,
  isPartialOf,
  isRunning,
  readFully,
  readHolder,
  readJson,
  readText,
  stageFolder,
  takeLock,
  touchLock,
  writeFileAtomic,
  writeFully,
} from "./index.js";

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
    expect(names(folder).filter((name) => isPartialOf("a", name))).toHaveLength(1);
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

describe("a lock", () => {
  const alive = (): Promise<boolean> => Promise.resolve(true);
  const gone = (): Promise<boolean> => Promise.resolve(false);

  test("is held by one at a time, and says by whom", async () => {
    const path = at("lock");
    const lock = (await takeLock(path, alive))!;
    const { since, ...holder } = readHolder(path)!;
    expect(holder).toEqual({ host: hostname(), process: process.pid, token: lock.token });
    expect(Date.parse(since)).toBeLessThanOrEqual(Date.now());
    expect(isRunning({ since, ...holder })).toBe(true);
    expect(await takeLock(path, alive)).toBeNull();
    lock.release();
    expect(readHolder(path)).toBeNull();
  });

  test("is taken from a holder that is gone, who then releases nothing", async () => {
    const path = at("left");
    const first = (await takeLock(path, alive))!;
    const second = (await takeLock(path, gone))!;
    first.release();
    expect(readHolder(path)?.token).toBe(second.token);
    second.release();
    expect(names(at("."))).not.toContain("left");
  });

  test("shows that its holder lives by its modification time, or by being released", async () => {
    const path = at("beating");
    const lock = (await takeLock(path, alive))!;
    utimesSync(path, 1, 1);
    expect(await hasHeartbeat(path, 50)).toBe(false);
    const beats = hasHeartbeat(path, 60_000);
    touchLock(lock.descriptor);
    expect(await beats).toBe(true);
    const released = hasHeartbeat(path, 60_000);
    lock.release();
    expect(await released).toBe(true);
  });

  test.each(["", "{", "null", '{"host": "a", "process": "b"}'])(
    "that says %j names nobody",
    (text) => {
      writeFileSync(at("broken"), text);
      expect(readHolder(at("broken"))).toBeNull();
    },
  );

  test("of another host cannot be asked for its process", () => {
    const elsewhere = { host: `${hostname()}-2`, process: process.pid, since: "", token: "" };
    expect(isRunning(elsewhere)).toBeNull();
    expect(isRunning({ ...elsewhere, host: hostname(), process: 2 ** 22 + 1 })).toBe(false);
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
