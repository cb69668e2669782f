// A process of the layouts' test: joins the ranks that MPI started, and leaves beside the job what its own has trained.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serialize } from "node:v8";
import { runRank } from "@tessera/collectives";
import { joinWorld } from "@tessera/collectives-mpi";
import { main, type Job } from "./layouts.js";

const folder = process.argv[2]!;
const job = JSON.parse(readFileSync(join(folder, "job.json"), "utf8")) as Job;
const world = joinWorld(process.env, {});

process.exitCode = await runRank(world, async () => {
  writeFileSync(join(folder, String(world.rank)), serialize(await main(world, job)));
  return 0;
});
