// The checkpoint suite: how fast a state is saved, beside the disk's own speed in the same run, and how
// long training stands still for it, waited for and not.

import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { singleWorld } from "@tessera/collectives";
import { choice, endWith, number, parseFlags, text } from "@tessera/config";
import { gptConfig, gptModel, noDropout } from "@tessera/gpt";
import { chooseBackend } from "@tessera/engines";
import { leaves } from "@tessera/params";
import { planRun, startRun } from "@tessera/trainer";
import { openCheckpoints } from "@tessera/trainer/loop";
import { silent } from "@tessera/trainer/report";
import { cases } from "./training/cases.mjs";
import { medianOf } from "./training/median.mjs";

const program = {
  name: "bench checkpoint",
  summary: "Times saving a model's weights and Adam's moments, beside plain writing.",
  groups: {
    Cases: {
      case: choice(
        "whose state",
        cases.map(({ name }) => name),
        "gpt2-124M",
      ),
      rounds: number("saves of each kind, after one that is not timed", { min: 1, whole: true }, 7),
      backend: choice("where tensors lie", ["native", "wasm"], "native"),
      folder: text("on the disk to be measured", "FOLDER", tmpdir()),
    },
    Output: { json: text("writes the results as JSON", "FILE") },
  },
};

async function stateOf({ model }) {
  const config = gptConfig({
    layerCount: model.layers,
    hiddenSize: model.width,
    headCount: model.heads,
    vocabularySize: model.vocabulary,
    maxPositions: model.positions,
    dropout: noDropout,
  });
  const run = await planRun(singleWorld(), {
    model: gptModel(config),
    data: {
      train: {
        count: 1,
        length: 1,
        batch: () => {
          throw new Error("nothing is read");
        },
      },
    },
    batch: { micro: 1 },
    duration: { steps: 1 },
    schedule: { kind: "constant", peak: 1e-3, floor: 0, warmup: 0, total: 1 },
    seed: 1,
  });
  return { plan: run.plan, state: startRun(run) };
}

/** Seconds of `work`. */
async function timed(work) {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

/**
 * Writes `bytes` bytes one after another, waits until they are on the disk, and removes the round before,
 * as saving does: a file written over finds memory at hand that a new one has to wait for.
 */
function writePlainly(folder, round, bytes) {
  const chunk = new Uint8Array(2 ** 23).fill(0x5a);
  const descriptor = openSync(join(folder, `plain-${round}`), "w");
  for (let left = bytes; left > 0; left -= chunk.length) {
    writeSync(descriptor, chunk, 0, Math.min(left, chunk.length));
  }
  fsyncSync(descriptor);
  closeSync(descriptor);
  rmSync(join(folder, `plain-${round - 1}`), { force: true });
}

/** Medians, in seconds, of rounds in turn. */
async function measure(flags, { plan, state }, bytes) {
  const root = mkdtempSync(join(flags.folder, "tessera-bench-"));
  const options = { keep: 1 };
  const world = singleWorld();
  const open = (name, isAsync) =>
    openCheckpoints(world, { ...options, folder: join(root, name), async: isAsync });
  const both = { waited: await open("waited", false), beside: await open("beside", true) };
  const seconds = { disk: [], waited: [], pause: [] };
  try {
    for (let round = 0; round <= flags.rounds; round += 1) {
      const of = { ...state, step: round };
      const saver = (checkpoints) => checkpoints.of(plan, { identity: {}, run: {} }, silent);
      const taken = {
        disk: await timed(() => writePlainly(root, round, bytes)),
        waited: await timed(() => saver(both.waited).save(of)),
        pause: await timed(() => saver(both.beside).save(of)),
      };
      await both.beside.settled();
      if (round > 0) for (const [name, list] of Object.entries(seconds)) list.push(taken[name]);
      if (process.stderr.isTTY) process.stderr.write(`\r${round}/${flags.rounds} rounds`);
      await sleep(0);
    }
  } finally {
    for (const checkpoints of Object.values(both)) await checkpoints.close();
    rmSync(root, { recursive: true });
  }
  return Object.fromEntries(Object.entries(seconds).map(([name, list]) => [name, medianOf(list)]));
}

const gigabytes = (bytes, seconds) => `${(bytes / seconds / 1e9).toFixed(2)} GB/s`;
const percent = (part) => `${(100 * part).toFixed(0)}%`;

function table({ case: name, bytes, seconds: { disk, waited, pause }, ofDisk, pauseOfWaited }) {
  const rows = [
    ["state", "disk", "saved, waited for", "of the disk", "pause beside", "of waiting"],
    [
      `${name}, ${(bytes / 1e6).toFixed(0)} MB`,
      gigabytes(bytes, disk),
      `${gigabytes(bytes, waited)}, ${(1000 * waited).toFixed(0)} ms`,
      percent(ofDisk),
      `${(1000 * pause).toFixed(0)} ms`,
      percent(pauseOfWaited),
    ],
  ];
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

async function main(argv) {
  const parsed = parseFlags(program, argv);
  if ("help" in parsed) {
    process.stdout.write(parsed.help);
    return 0;
  }
  const flags = parsed.values;
  await chooseBackend(flags.backend, process.env);
  const made = await stateOf(cases.find(({ name }) => name === flags.case));
  const bytes = bytesOf(made.state.params) * (1 + Object.keys(made.state.optimizer).length);
  const seconds = await measure(flags, made, bytes);
  const result = {
    case: flags.case,
    backend: flags.backend,
    bytes,
    seconds,
    ofDisk: seconds.disk / seconds.waited,
    pauseOfWaited: seconds.pause / seconds.waited,
  };
  process.stdout.write(`${table(result)}\n`);
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify([result], null, 2)}\n`);
  return 0;
}

const bytesOf = (tree) => leaves(tree).reduce((sum, [, leaf]) => sum + 4 * leaf.size, 0);

export const run = (argv) => endWith("bench", () => main(argv));
