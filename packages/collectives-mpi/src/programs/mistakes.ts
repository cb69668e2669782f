// Ranks of which one makes a mistake, on purpose: the last argument says which.

import "@tensorflow/tfjs-backend-cpu";
import { ones, setBackend } from "@tensorflow/tfjs-core";
import { runRank, type World } from "@tessera/collectives";
import { joinWorld } from "../index.js";

await setBackend("cpu");
const mistake = process.argv[2];
/** Those whose end is that time is up; where it is not, ranks of a loaded machine have time to come. */
const endsByTime = ["sleep", "stop", "pause"].includes(mistake ?? "");
const world = joinWorld(process.env, { timeoutMinutes: endsByTime ? 6 / 60 : 2 });

function sleepForEver(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

const makeMistake: Readonly<Record<string, () => void>> = {
  throw() {
    throw new Error("out of patience");
  },
  leave: () => process.exit(0),
  sleep: sleepForEver,
  /** Time enough for a test to pull out a link. */
  pause() {
    process.stdout.write("paused\n");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000);
  },
  kill: () => process.kill(process.pid, "SIGKILL"),
  stop: () => process.kill(process.pid, "SIGSTOP"),
};

function program({ all, rank }: World): number {
  all
    .allReduce(ones([4]))
    .wait()
    .dispose();
  if (rank === 1) makeMistake[mistake ?? ""]?.();
  all
    .allReduce(ones([rank === 1 && mistake === "size" ? 8 : 4]))
    .wait()
    .dispose();
  return 0;
}

process.exitCode = await runRank(world, program);
