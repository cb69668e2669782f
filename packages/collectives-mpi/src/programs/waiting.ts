// Ranks of which the first is late: the others say how much of a processor each takes while it waits.

import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, ones, setBackend } from "@tensorflow/tfjs-core";
import { runRank } from "@tessera/collectives";
import { joinWorld } from "../index.js";

const LATE_MS = 3000;

enableProdMode(); // no advice to install another backend
await setBackend("cpu");
const world = joinWorld(process.env);
process.exitCode = await runRank(world, ({ all }) => {
  const meet = (): void =>
    all
      .allReduce(ones([4]))
      .wait()
      .dispose();
  meet();
  if (all.rank === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LATE_MS);
  const began = { cpu: process.cpuUsage(), ms: performance.now() };
  meet();
  const { user, system } = process.cpuUsage(began.cpu);
  const share = (user + system) / 1000 / (performance.now() - began.ms);
  if (all.rank !== 0) process.stdout.write(`${share}\n`);
  return 0;
});
