#!/usr/bin/env node
// tessera: the project's command-line tool. Each command is a file, which is imported when the command is run, so
// that one that only encodes text starts without an engine.

import { endWith } from "@tessera/config";
import { groupCommands, type Command } from "./command.js";

const data = groupCommands({
  name: "tessera data",
  summary: "Looks at datasets, and merges them.",
  commands: {
    order: async () => (await import("./data/order.js")).orderCommand,
    info: async () => (await import("./data/info.js")).infoCommand,
    merge: async () => (await import("./data/merge.js")).mergeCommand,
  },
});

const tokenizer = groupCommands({
  name: "tessera tokenizer",
  summary: "Encodes, decodes, and makes vocabularies.",
  commands: {
    encode: async () => (await import("./tokenizer/encode.js")).encodeCommand,
    decode: async () => (await import("./tokenizer/encode.js")).decodeCommand,
    train: async () => (await import("./tokenizer/train.js")).trainCommand,
  },
});

const TRAINING =
  "tessera-gpt-ddp (npm install @tessera/gpt-ddp) trains on text, " +
  "tessera-pretrain-gpt (npm install @tessera/pretrain-gpt) with Megatron's flags";

const tessera: Command = groupCommands({
  name: "tessera",
  summary: "Tessera's command-line tool.",
  epilogue: `It does not train: ${TRAINING}.`,
  commands: {
    launch: async () => (await import("./launch.js")).launch,
    sbatch: async () => (await import("./sbatch.js")).sbatch,
    doctor: async () => (await import("./doctor.js")).doctor,
    "build-engines": async () => (await import("./build_engines.js")).buildEngines,
    verify: async () => (await import("./verify/command.js")).verify,
    replay: async () => (await import("./verify/replay.js")).replay,
    "check-ranks": async () => (await import("./check_ranks.js")).checkRanks,
    schedule: async () => (await import("./schedule.js")).schedule,
    preprocess: async () => (await import("./preprocess/command.js")).preprocessCommand,
    convert: async () => (await import("./models/convert.js")).convertCommand,
    generate: async () => (await import("./models/generate.js")).generateCommand,
    serve: async () => (await import("./models/serve.js")).serveCommand,
    eval: async () => (await import("./models/eval.js")).evalCommand,
    data: () => data,
    tokenizer: () => tokenizer,
    completion: async () =>
      (await import("./completion.js")).completionCommand(() => tessera.describe()),
  },
  elsewhere: {
    train: TRAINING,
    finetune: TRAINING,
    pretrain: TRAINING,
    run: TRAINING,
  },
});

await endWith("tessera", () => tessera.run(process.argv.slice(2)));
