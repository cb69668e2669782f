// One rank that saves step after step, until a test kills it.

import { openWriter } from "../sharded/writer.js";
import { metadataOf, sourcesOf } from "./sample_checkpoints.js";

export interface Task {
  readonly folder: string;
  readonly rank: number;
  readonly ranks: number;
  readonly rows: number;
  readonly first: number;
  readonly last: number;
  readonly keep: number;
  readonly timeoutSeconds?: number;
}

const {
  folder,
  first,
  last,
  keep,
  timeoutSeconds = 20,
  ...share
} = JSON.parse(process.argv[2]!) as Task;
const say = (line: string): void => void process.stdout.write(`${line}\n`);
try {
  const job = { folder, rank: share.rank, ranks: share.ranks, keep, timeoutSeconds };
  const writer = await openWriter({ ...job, barrier: () => say("ready") });
  for (let step = first; step <= last; step += 1) {
    await writer.write(metadataOf(step), sourcesOf(step, share));
    await writer.retain();
    say(`saved ${step}`);
  }
  await writer.close();
} catch (error) {
  say(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  process.exitCode = 1;
}
