// The tokenizer suite: GPT-2's tokenizer beside others on one thread, texts that make some slow, and
// the commands that take a corpus.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { list, number, text, UserError } from "@tessera/config";
import { ROOT } from "../setup.mjs";
import { output, suite, writeResults } from "./shared/suite.mjs";
import { table } from "./shared/table.mjs";
import { measureCommands } from "./tokenizer/commands.mjs";
import { measureHardTexts } from "./tokenizer/hard_texts.mjs";
import { encoders } from "./tokenizer/passes.mjs";

/** @typedef {import("./tokenizer/passes.mjs").EncoderName} EncoderName */
/** @typedef {import("./tokenizer/passes.mjs").Passes} Passes */
/** @typedef {ReturnType<typeof comparePeers>[number]} Peer */
/** @typedef {ReturnType<typeof measureHardTexts>[number]} HardText */
/** @typedef {ReturnType<typeof measureCommands>} CommandTimes */

const PARTS = ["peers", "hard", "commands"];
const count = { min: 1, whole: true };

const program = {
  name: "bench tokenizer",
  summary: "Times encoding beside other tokenizers, preprocessing, and training a vocabulary.",
  groups: {
    Cases: {
      part: list(`which of ${PARTS.join(", ")}; all, unless named`, "NAME"),
      text: text("what is encoded; npm run corpus fetches the default", "FILE"),
      rounds: number("processes of each side, interleaved; the best counts", count, 3),
      passes: number("times that each process encodes the text", { min: 2, whole: true }, 10),
      "hard-bytes": number("of each text that makes some slow", count, 1e6),
      megabytes: number("of the corpus, which is the text repeated", { min: 0.001 }, 100),
      "preprocess-megabytes": number("of its lines", { min: 0.001 }, 500),
    },
    Output: output,
  },
};

const PASSES = fileURLToPath(new URL("./tokenizer/passes.mjs", import.meta.url));

/**
 * Other load on the machine only ever takes speed away, so the best of several runs counts.
 * @param {string} path
 * @param {{ rounds: number, passes: number }} flags
 */
function comparePeers(path, { rounds, passes }) {
  const sides = Object.keys(encoders).map((name) => ({ name, runs: /** @type {Passes[]} */ ([]) }));
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, runs } of sides) {
      const args = [PASSES, name, path, String(passes)];
      runs.push(JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })));
    }
  }
  return sides.map(({ name, runs }) => ({
    name,
    loadMs: Math.min(...runs.map(({ loadMs }) => loadMs)),
    first: Math.max(...runs.map(({ first }) => first)),
    repeated: Math.max(...runs.map(({ repeated }) => repeated)),
    equal: runs.every(({ sum }) => sum === sides[0].runs[0].sum),
  }));
}

/** @param {number} megabytesPerSecond */
const speed = (megabytesPerSecond) => `${megabytesPerSecond.toFixed(1)} MB/s`;

/** @param {readonly Peer[]} peers */
function peersTable([own, ...others]) {
  /** @param {"first" | "repeated"} key */
  const ratio = (key) => (own[key] / Math.max(...others.map((other) => other[key]))).toFixed(2);
  return table([
    ["tokenizer", "load", "first pass", "repeated", "ids"],
    ...[own, ...others].map(({ name, loadMs, first, repeated, equal }) => [
      name,
      `${loadMs.toFixed(0)} ms`,
      speed(first),
      speed(repeated),
      equal ? "equal" : "differ",
    ]),
    ["ours, of the fastest other", "", `${ratio("first")} x`, `${ratio("repeated")} x`, ""],
  ]);
}

/** @param {readonly HardText[]} texts */
const hardTable = (texts) =>
  table([["text", "speed"], ...texts.map(({ name, speed: its }) => [name, speed(its)])]);

/** @param {CommandTimes} times */
const commandsTable = ({ preprocess: [one, two], training }) =>
  table([
    ["command", "measured"],
    ["preprocess --workers 1", speed(one.speed)],
    ["preprocess --workers 2", `${speed(two.speed)}, ${(two.speed / one.speed).toFixed(2)} x`],
    ["tokenizer train", `${training.megabytes.toFixed(0)} MB in ${training.seconds.toFixed(1)} s`],
  ]);

/** @typedef {{ peers?: readonly Peer[], hard?: readonly HardText[], commands?: CommandTimes }} Results */

export const run = suite(program, async (flags) => {
  const path = flags.text ?? join(ROOT, "corpus/shakespeare.txt");
  if (!existsSync(path)) throw new UserError(`${path}: there is no such text; npm run corpus`);
  const unknown = flags.part.find((part) => !PARTS.includes(part));
  if (unknown !== undefined) {
    throw new UserError(`--part ${unknown}: must be one of ${PARTS.join(", ")}`);
  }
  /** @param {string} part */
  const isAsked = (part) => flags.part.length === 0 || flags.part.includes(part);
  /** @type {Results} */
  const results = {};
  /** @param {string} shown */
  const show = (shown) => process.stdout.write(`${shown}\n\n`);
  if (isAsked("peers")) show(peersTable((results.peers = comparePeers(path, flags))));
  if (isAsked("hard")) {
    show(hardTable((results.hard = measureHardTexts(flags["hard-bytes"], flags.rounds))));
  }
  if (isAsked("commands")) {
    show(commandsTable((results.commands = measureCommands(path, flags))));
  }
  writeResults(flags.json, results);
  return results.peers?.some(({ equal }) => !equal) ? 1 : 0;
});
