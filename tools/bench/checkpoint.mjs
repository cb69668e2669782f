// The checkpoint suite: how fast a state is saved, beside the disk's own speed in the same run, and how
// long training pauses for it, synchronously and asynchronously.

import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { singleWorld } from "@tessera/collectives";
import { choice, number, text } from "@tessera/config";
import { gptConfig, gptModel, noDropout } from "@tessera/gpt";
import { chooseBackend } from "@tessera/engines";
import { leaves } from "@tessera/params";
import { planRun, startRun } from "@tessera/trainer";
import { openCheckpoints } from "@tessera/trainer/loop";
import { silent } from "@tessera/trainer/report";
import { medianOf } from "./shared/median.mjs";
import { output, suite, writeResults } from "./shared/suite.mjs";
import { table } from "./shared/table.mjs";
import { caseNamed, caseNames, gpt2 } from "./training/cases.mjs";

/** @typedef {import("@tensorflow/tfjs-core").Tensor} Tensor */
/** @typedef {Awaited<ReturnType<typeof startingState>>} Start */
/** @typedef {{ disk: number, waited: number, pause: number }} Seconds */
/** @typedef {Awaited<ReturnType<typeof measure>>} Result */

const program = {
  name: "bench checkpoint",
  summary: "Times saving a model's weights and Adam's moments, beside plain writing.",
  groups: {
    Cases: {
      case: choice("whose state", caseNames, gpt2.name),
      rounds: number("saves of each kind, after one that is not timed", { min: 1, whole: true }, 7),
      backend: choice("where tensors are", ["native", "wasm"], "native"),
      folder: text("on the disk to be measured", "FOLDER", tmpdir()),
    },
    Output: output,
  },
};

/** @param {import("./training/cases.mjs").Case} sizes */
async function startingState({ model }) {
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

/**
 * Seconds of `work`.
 * @param {() => unknown} work
 */
async function timed(work) {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

/**
 * Writes `bytes` bytes one after another, waits until they are on the disk, and removes the round before,
 * as saving does: a file written over finds memory at hand that a new one has to wait for.
 * @param {string} folder
 * @param {number} round
 * @param {number} bytes
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

/**
 * Medians, in seconds, of interleaved rounds.
 * @param {{ folder: string, rounds: number }} flags
 * @param {Start} start
 * @param {number} bytes
 * @returns {Promise<Seconds>}
 */
async function timeRounds(flags, { plan, state }, bytes) {
  const root = mkdtempSync(join(flags.folder, "tessera-bench-"));
  const options = { keep: 1 };
  const world = singleWorld();
  /**
   * @param {string} name
   * @param {boolean} isAsync
   */
  const open = (name, isAsync) =>
    openCheckpoints(world, { ...options, folder: join(root, name), async: isAsync });
  const both = { waited: await open("waited", false), beside: await open("beside", true) };
  /** @type {Seconds[]} */
  const seconds = [];
  try {
    for (let round = 0; round <= flags.rounds; round += 1) {
      const of = { ...state, step: round };
      /** @param {import("@tessera/trainer/loop").Checkpoints} checkpoints */
      const saver = (checkpoints) => checkpoints.of(plan, { identity: {}, run: {} }, silent);
      const taken = {
        disk: await timed(() => writePlainly(root, round, bytes)),
        waited: await timed(() => saver(both.waited).save(of)),
        pause: await timed(() => saver(both.beside).save(of)),
      };
      await both.beside.settled();
      if (round > 0) seconds.push(taken);
      if (process.stderr.isTTY) process.stderr.write(`\r${round}/${flags.rounds} rounds`);
      await sleep(0);
    }
  } finally {
    for (const checkpoints of Object.values(both)) await checkpoints.close();
    rmSync(root, { recursive: true });
  }
  /** @param {keyof Seconds} name */
  const median = (name) => medianOf(seconds.map((one) => one[name]));
  return { disk: median("disk"), waited: median("waited"), pause: median("pause") };
}

/**
 * @param {number} bytes
 * @param {number} seconds
 */
const gigabytesPerSecond = (bytes, seconds) => `${(bytes / seconds / 1e9).toFixed(2)} GB/s`;
/** @param {number} part */
const percent = (part) => `${(100 * part).toFixed(0)}%`;

/** @param {Result} result */
function describe({ case: name, bytes, seconds: { disk, waited, pause }, ofDisk, pauseOfWaited }) {
  return table([
    ["state", "disk", "saved, waited for", "of the disk", "pause beside", "of waiting"],
    [
      `${name}, ${(bytes / 1e6).toFixed(0)} MB`,
      gigabytesPerSecond(bytes, disk),
      `${gigabytesPerSecond(bytes, waited)}, ${(1000 * waited).toFixed(0)} ms`,
      percent(ofDisk),
      `${(1000 * pause).toFixed(0)} ms`,
      percent(pauseOfWaited),
    ],
  ]);
}

/** @param {import("@tessera/params").Tree} tree */
const bytesOf = (tree) =>
  leaves(tree).reduce((sum, [, leaf]) => sum + 4 * /** @type {Tensor} */ (leaf).size, 0);

/** @param {{ case: string, backend: "native" | "wasm", folder: string, rounds: number }} flags */
async function measure(flags) {
  await chooseBackend(flags.backend, process.env);
  const start = await startingState(caseNamed(flags.case));
  const bytes = bytesOf(start.state.params) * (1 + Object.keys(start.state.optimizer).length);
  const seconds = await timeRounds(flags, start, bytes);
  return {
    case: flags.case,
    backend: flags.backend,
    bytes,
    seconds,
    ofDisk: seconds.disk / seconds.waited,
    pauseOfWaited: seconds.pause / seconds.waited,
  };
}

export const run = suite(program, async (flags) => {
  const result = await measure(flags);
  process.stdout.write(`${describe(result)}\n`);
  writeResults(flags.json, [result]);
});
