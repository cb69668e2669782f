#!/usr/bin/env node
// tessera: the project's command-line tool. Each command stands in a file of its own.

import { endWith } from "@tessera/config";
import { checkRanks } from "./check_ranks.js";
import { family } from "./command.js";
import { infoCommand } from "./data/info.js";
import { mergeCommand } from "./data/merge.js";
import { orderCommand } from "./data/order.js";
import { doctor } from "./doctor.js";
import { launch } from "./launch.js";
import { convertCommand } from "./models/convert.js";
import { evalCommand } from "./models/eval.js";
import { generateCommand } from "./models/generate.js";
import { serveCommand } from "./models/serve.js";
import { preprocessCommand } from "./preprocess/command.js";
import { sbatch } from "./sbatch.js";
import { schedule } from "./schedule.js";
import { decodeCommand, encodeCommand } from "./tokenizer/encode.js";
import { trainCommand } from "./tokenizer/train.js";

const tessera = family("tessera", "Tessera's command-line tool.", [
  launch,
  sbatch,
  doctor,
  checkRanks,
  schedule,
  preprocessCommand,
  convertCommand,
  generateCommand,
  serveCommand,
  evalCommand,
  family("tessera data", "Looks at datasets, and merges them.", [
    orderCommand,
    infoCommand,
    mergeCommand,
  ]),
  family("tessera tokenizer", "Encodes, decodes, and makes vocabularies.", [
    encodeCommand,
    decodeCommand,
    trainCommand,
  ]),
]);

await endWith("tessera", () => tessera.run(process.argv.slice(2)));
