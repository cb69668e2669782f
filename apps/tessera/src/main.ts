#!/usr/bin/env node
// tessera: the project's command-line tool. Each command stands in a file of its own.

import { endWith } from "@tessera/config";
import { checkRanks } from "./check_ranks.js";
import { family } from "./command.js";
import { doctor } from "./doctor.js";
import { launch } from "./launch.js";
import { sbatch } from "./sbatch.js";

const tessera = family("tessera", "Tessera's command-line tool.", [
  launch,
  sbatch,
  doctor,
  checkRanks,
]);

await endWith("tessera", () => tessera.run(process.argv.slice(2)));
