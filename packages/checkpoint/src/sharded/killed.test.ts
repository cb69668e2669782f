// Jobs that end while they save, as processes of their own: nothing that was whole is lost.

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { WHOLE } from "@tessera/mesh";
import { wholeWindow } from "@tessera/random";
import { elementAt } from "../programs/made.js";
import type { Task } from "../programs/save_on.js";
import { latestCheckpoint } from "./folder.js";
import { openCheckpoint } from "./saved.js";

const PROGRAM = join(__dirname, "../../dist/programs/save_on.js");
const ROWS = 60_000; // 1.9 MB

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-killed-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const taskOf = (changes: Partial<Task>): string =>
  JSON.stringify({
    ...{ folder, rank: 0, ranks: 1, rows: ROWS, first: 1, last: 1e6, keep: 2 },
    ...changes,
  });

/** A rank that saves step after step; resolves once it holds the folder. */
function start(changes: Partial<Task>): Promise<ChildProcess> {
  const child = spawn(process.execPath, [PROGRAM, taskOf(changes)]);
  return new Promise((resolve, reject) => {
    child.stdout.on("data", (shown: Buffer) => {
      if (String(shown).includes("ready")) resolve(child);
    });
    child.once("close", () => reject(new Error("the rank ended before it was ready")));
  });
}

const runToEnd = (changes: Partial<Task>) =>
  spawnSync(process.execPath, [PROGRAM, taskOf(changes)], { timeout: 30_000 });

const ended = (child: ChildProcess): Promise<unknown> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once("close", resolve));

const table = {
  shape: [8 * ROWS],
  pieces: [{ path: "table", window: wholeWindow([ROWS, 8]), first: 0, size: 8 * ROWS, at: 0 }],
};

/** Reads a checkpoint, and makes sure that every element is of its step. Returns the step. */
function load(path: string): number {
  const checkpoint = openCheckpoint(path);
  checkpoint.check(WHOLE);
  const { step } = checkpoint.progress;
  const values = checkpoint.values("weights", table);
  checkpoint.close();
  const wrong = values.findIndex((value, index) => value !== elementAt(step, index));
  expect({ path, wrong }).toEqual({ path, wrong: -1 });
  return step;
}

test("ranks killed at 50 random moments: the last whole checkpoint loads, and all that are seen are whole", async () => {
  let saved = 0;
  let interrupted = 0;
  for (let kill = 0; kill < 50; kill += 1) {
    const at = { ranks: 2, first: saved + 1 };
    const first = await start({ ...at, rank: 0 });
    const others = await start({ ...at, rank: 1 });
    await sleep(Math.random() * 400);
    const order = kill % 2 === 0 ? [first, others] : [others, first];
    order[0]!.kill("SIGKILL");
    await sleep(Math.random() * 20);
    order[1]!.kill("SIGKILL");
    await Promise.all(order.map(ended));
    const names = readdirSync(folder);
    const latest = latestCheckpoint(folder);
    const step = latest === undefined ? 0 : load(latest);
    expect(step).toBeGreaterThanOrEqual(saved);
    saved = step;
    for (const name of names.filter((one) => one.startsWith("checkpoint-"))) {
      load(join(folder, name));
    }
    if (names.some((name) => name.includes(".partial-"))) interrupted += 1;
  }
  expect(saved).toBeGreaterThan(20); // they did save in between
  expect(interrupted).toBeGreaterThan(10); // and were killed while they did
}, 240_000);

test("a disk that takes no more: an error that names the file, and what was saved is there", () => {
  const run = (task: string, limit: string) =>
    spawnSync("sh", ["-c", `ulimit -f ${limit}; exec "$0" "$@"`, process.execPath, PROGRAM, task], {
      encoding: "utf8",
      timeout: 30_000,
    });
  expect(run(taskOf({ last: 1 }), "unlimited").status).toBe(0);
  const { status, stdout } = run(taskOf({ first: 2, last: 2 }), "2000"); // of half a kilobyte
  expect(status).toBe(1);
  const shard = join(folder, ".checkpoint-2.partial-");
  expect(stdout.trim().split("\n").at(-1)).toMatch(
    new RegExp(`^UserError: ${shard}\\w+/shard-00001-of-00001\\.safetensors: cannot be written`),
  );
  expect(readdirSync(folder)).toEqual(["checkpoint-1", "latest"]);
  expect(load(latestCheckpoint(folder)!)).toBe(1);
});

test("a rank that is gone: the first one says whose file is missing", () => {
  const { status, stdout } = runToEnd({ ranks: 2, patienceSeconds: 1 });
  expect(status).toBe(1);
  expect(String(stdout)).toMatch(/shard-00002-of-00002\.safetensors: was not written within 1 s/);
});

test("a second job in the folder is refused, and the first goes on", async () => {
  const first = await start({});
  const { status, stdout } = runToEnd({});
  expect(status).toBe(1);
  expect(String(stdout)).toContain(`.tessera-lock: process ${first.pid} on `);
  const before = latestCheckpoint(folder);
  await sleep(300);
  expect(latestCheckpoint(folder)).not.toBe(before);
  first.kill("SIGKILL");
  await ended(first);
});
