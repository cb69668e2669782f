// A rank, as a process of its own, that trains layouts one after another and prints the most bytes that its tensors
// took in each.

import { joinWorld } from "@tessera/collectives-mpi";
import { main, type Job } from "./layouts.js";

const world = joinWorld(process.env);
const trained = await main(world, JSON.parse(process.argv[2]!) as Job);
process.stdout.write(`peaks ${trained.map(({ peakBytes }) => peakBytes).join(" ")}\n`);
world.close();
