// Ranks that save step after step in separate processes, and are killed at random moments.

import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "@tessera/testing";
import { latestCheckpoint } from "../sharded/folder.js";
import { loadStep } from "./load_step.js";
import type { Task } from "./save_on.js";

export const SAVE_ON = join(__dirname, "../../dist/programs/save_on.js");
export const ROWS = 60_000; // 1.9 MB

export const taskOf = (changes: Partial<Task> & Pick<Task, "folder">): string =>
  JSON.stringify({
    ...{ rank: 0, ranks: 1, rows: ROWS, first: 1, last: 1e6, keep: 2 },
    ...changes,
  } satisfies Task);

/** A rank that saves step after step; resolves once it holds the folder. */
export async function startRank(task: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [SAVE_ON, task]);
  child.stdout.setEncoding("utf8");
  await untilSaid(child, "ready");
  return child;
}

const untilSaid = (child: ChildProcess, word: string): Promise<void> =>
  new Promise((resolve, reject) => {
    let said = "";
    child.stdout!.on("data", (shown: string) => {
      said += shown;
      if (said.includes(word)) resolve();
    });
    child.once("close", () => reject(new Error(`the rank ended before "${word}": ${said}`)));
  });

export const ended = (child: ChildProcess): Promise<unknown> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once("close", resolve));

/**
 * Kills two ranks `kills` times after they saved a step, and starts others where they stopped. Throws where a
 * checkpoint was lost, or a visible one is not complete. Returns the last step that was saved.
 */
export async function killRanks(folder: string, kills: number, seed: number): Promise<number> {
  const draw = seededRandom(seed);
  let saved = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const at = { folder, ranks: 2, first: saved + 1 };
    const first = await startRank(taskOf({ ...at, rank: 0 })); // which takes the lock
    const isSaved = untilSaid(first, "saved");
    const second = await startRank(taskOf({ ...at, rank: 1 }));
    await isSaved;
    await sleep(draw() * 300);
    const order = kill % 2 === 0 ? [first, second] : [second, first];
    order[0]!.kill("SIGKILL");
    await sleep(draw() * 20);
    order[1]!.kill("SIGKILL");
    await Promise.all(order.map(ended));
    const latest = latestCheckpoint(folder);
    const step = latest === undefined ? 0 : loadStep(latest, ROWS);
    if (step <= saved) throw new Error(`kill ${kill}: step ${step} is there, ${saved} was before`);
    saved = step;
    for (const name of readdirSync(folder)) {
      if (name.startsWith("checkpoint-")) loadStep(join(folder, name), ROWS);
    }
  }
  return saved;
}
