import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { describe, expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { hasHeartbeat, isRunning, readHolder, takeLock, thisProcess, touchLock } from "./index.js";

const at = scratchFolder("lock");
const names = (folder: string): string[] => readdirSync(folder).sort();

describe("a lock", () => {
  const alive = (): Promise<boolean> => Promise.resolve(true);
  const gone = (): Promise<boolean> => Promise.resolve(false);

  test("is held by one at a time, and says by whom", async () => {
    const path = at("lock");
    const lock = (await takeLock(path, alive))!;
    const { since, ...holder } = readHolder(path)!;
    expect(holder).toEqual({ ...thisProcess(), token: lock.token });
    expect(holder).toMatchObject({ host: hostname(), process: process.pid });
    expect(Date.parse(since)).toBeLessThanOrEqual(Date.now());
    expect(isRunning(holder)).toBe(true);
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
    expect(await hasHeartbeat(path, 60_000)).toBe(true);
  });

  test("is taken where it is released while one looks whether its holder lives", async () => {
    const path = at("released");
    const first = (await takeLock(path, alive))!;
    const second = await takeLock(path, (holder) => {
      if (holder?.token === first.token) first.release();
      return alive();
    });
    expect(readHolder(path)?.token).toBe(second!.token);
    second!.release();
  });

  test.each(["", "{", "null", '{"host": "a", "process": "b"}'])(
    "that says %j names nobody",
    (text) => {
      writeFileSync(at("broken"), text);
      expect(readHolder(at("broken"))).toBeNull();
    },
  );

  test("is freed of what processes left that were killed while they removed one, and of nothing else", async () => {
    const path = at("aside");
    writeFileSync(`${path}-abc`, "of a job that is no more");
    writeFileSync(`${path}2-abc`, "another file");
    const lock = (await takeLock(path, alive))!;
    expect(names(at(".")).filter((name) => name.startsWith("aside"))).toEqual([
      "aside",
      "aside2-abc",
    ]);
    lock.release();
  });
});
