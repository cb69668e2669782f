// A rank of the laws' test, on plain tfjs: elements go through arrays of JavaScript.

import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import { runRank } from "@tessera/collectives";
import { checkLaws } from "@tessera/collectives/laws";
import { joinWorld } from "../index.js";

enableProdMode(); // no advice to install another backend
await setBackend("cpu");
const world = joinWorld(process.env, { timeoutMinutes: 1 });
process.exitCode = await runRank(world, (all) => {
  const verdict = checkLaws(all, {
    storages: ["fp32", "int32", "bool"],
    sizes: [0, 1, 7, 1000],
    long: 200_001,
  });
  process.stdout.write(`${all.rank} ${all.engine} ${JSON.stringify(verdict)}\n`);
  return 0;
});
