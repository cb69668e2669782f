// Jobs that end while they save, as processes of their own: nothing that was whole is lost.

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { runNode, runProgram } from "@tessera/testing";
import { ended, killRanks, ROWS, SAVE_ON, startRank, taskOf } from "../programs/kill_ranks.js";
import { loadStep } from "../programs/load_step.js";
import type { Task } from "../programs/save_on.js";
import { latestCheckpoint } from "./folder.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-killed-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const task = (changes: Partial<Task>): string => taskOf({ folder, ...changes });
const runToEnd = (changes: Partial<Task>) => runNode([SAVE_ON, task(changes)]);

test("ranks killed at 6 moments: the last complete checkpoint loads, and all visible ones are complete", async () => {
  expect(await killRanks(folder, 6, 1)).toBeGreaterThanOrEqual(6);
});

test("on a full disk: an error that names the file, and the earlier checkpoint is untouched", () => {
  const run = (changes: Partial<Task>, limit: string) => {
    const limited = ["-c", `ulimit -f ${limit}; exec "$0" "$@"`, process.execPath, SAVE_ON];
    return runProgram("sh", [...limited, task(changes)]);
  };
  expect(run({ last: 1 }, "unlimited").status).toBe(0);
  const { status, stdout } = run({ first: 2, last: 2 }, "2000"); // of half a kilobyte
  expect(status).toBe(1);
  const shard = join(folder, ".checkpoint-2.partial-");
  expect(stdout.trim().split("\n").at(-1)).toMatch(
    new RegExp(`^UserError: ${shard}\\w+/shard-00001-of-00001\\.safetensors: cannot be written`),
  );
  expect(readdirSync(folder)).toEqual(["checkpoint-1", "latest"]);
  expect(loadStep(latestCheckpoint(folder)!, ROWS)).toBe(1);
});

test("a rank that died: the first rank names the missing file", () => {
  const { status, stdout } = runToEnd({ ranks: 2, timeoutSeconds: 1 });
  expect(status).toBe(1);
  expect(stdout).toMatch(/shard-00002-of-00002\.safetensors: was not written within 1 s/);
});

test("a second job in the folder is refused, and the first continues", async () => {
  const first = await startRank(task({}));
  const { status, stdout } = runToEnd({});
  expect(status).toBe(1);
  expect(stdout).toContain(`.tessera-lock: process ${first.pid} on `);
  const before = latestCheckpoint(folder);
  while (latestCheckpoint(folder) === before) await sleep(50);
  first.kill("SIGKILL");
  await ended(first);
});
