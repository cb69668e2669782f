// A rank, as a process of its own, that trains a layout and prints the most bytes that its tensors took.

import { joinWorld } from "@tessera/collectives-mpi";
import { main, type Job } from "./layouts.js";

const world = joinWorld(process.env);
const [trained] = await main(world, JSON.parse(process.argv[2]!) as Job);
process.stdout.write(`peak ${trained!.peakBytes}\n`);
world.close();
