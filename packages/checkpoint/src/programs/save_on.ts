// One rank that saves step after step, until it is ended: what the tests of killed jobs kill.

import { openWriter } from "../sharded/writer.js";
import { about, sourcesOf } from "./made.js";

export interface Task {
  readonly folder: string;
  readonly rank: number;
  readonly ranks: number;
  readonly rows: number;
  readonly first: number;
  readonly last: number;
  readonly keep: number;
  readonly patienceSeconds?: number;
}

const {
  folder,
  first,
  last,
  keep,
  patienceSeconds = 20,
  ...share
} = JSON.parse(process.argv[2]!) as Task;
const say = (line: string): void => void process.stdout.write(`${line}\n`);
try {
  const place = { folder, rank: share.rank, ranks: share.ranks, keep, patienceSeconds };
  const writer = await openWriter({ ...place, barrier: () => say("ready") });
  for (let step = first; step <= last; step += 1) {
    await writer.write(about(step), sourcesOf(step, share));
    say(`saved ${step}`);
  }
  await writer.close();
} catch (error) {
  say(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  process.exitCode = 1;
}
