// The training suite: whole training steps of two models, in fp32 and bf16, beside a peer's with
// --peer. Ours and the peer's steps are interleaved, each in a process of its own.

import { availableParallelism } from "node:os";
import { choice, list, number, UserError } from "@tessera/config";
import { output, suite, writeResults } from "./shared/suite.mjs";
import { table } from "./shared/table.mjs";
import { caseNames, cases } from "./training/cases.mjs";
import { interleave, startOurs, startTorch } from "./training/sides.mjs";

/** @typedef {import("./training/stepper.mjs").Settings} Settings */
/** @typedef {import("./training/sides.mjs").Measured} Measured */
/** @typedef {ReturnType<typeof resultOf>} Result */

/** @type {readonly ("fp32" | "bf16")[]} */
const PRECISIONS = ["fp32", "bf16"];

const program = {
  name: "bench training",
  summary: "Times whole training steps: forward, backward, clipping, AdamW.",
  groups: {
    Cases: {
      case: list(`which of ${caseNames.join(", ")}; all, unless named`, "NAME"),
      precision: list("fp32, bf16; both, unless named", "NAME"),
      backend: choice("what computes", ["native", "wasm"], "native"),
      threads: number("threads of each side", { min: 1, whole: true }, availableParallelism()),
      steps: number("timed steps of each side, after two that are not", { min: 1, whole: true }, 5),
    },
    Peer: {
      peer: choice("what to compare with; TESSERA_PEER_PYTHON names its interpreter", ["torch"]),
    },
    Output: output,
  },
};

/**
 * Those of `known` that a flag names; all where it names none.
 * @template {string} T
 * @param {readonly string[]} asked
 * @param {readonly T[]} known
 * @param {string} flag
 */
function select(asked, known, flag) {
  const unknown = asked.find((name) => !known.some((one) => one === name));
  if (unknown !== undefined) {
    throw new UserError(`--${flag} ${unknown}: must be one of ${known.join(", ")}`);
  }
  return known.filter((name) => asked.length === 0 || asked.includes(name));
}

/**
 * Shows on a terminal how far a case is.
 * @param {string} name
 * @returns {(round: number, rounds: number) => void}
 */
function showProgress(name) {
  const began = performance.now();
  return (round, rounds) => {
    const left = ((performance.now() - began) / round) * (rounds - round);
    if (!process.stderr.isTTY) return;
    const state = round < rounds ? `${round}/${rounds}, ${Math.ceil(left / 1000)} s left` : "";
    process.stderr.write(`\r\x1b[K${state === "" ? "" : `${name}: ${state}`}`);
  };
}

/**
 * @param {Settings} settings
 * @param {Measured} ours
 * @param {Measured} [peer]
 */
function resultOf(settings, ours, peer) {
  const tokens = settings.batch * settings.time;
  return {
    case: settings.case,
    backend: settings.backend,
    precision: settings.precision,
    threads: settings.threads,
    tokensPerSecond: tokens / ours.seconds,
    gflops: ours.flops && ours.flops / ours.seconds / 1e9,
    matmulFraction: ours.matmulFraction,
    peakBytes: ours.peakBytes,
    parts: ours.parts ?? {},
    ...(peer && {
      peer: {
        name: peer.name,
        version: peer.version,
        tokensPerSecond: tokens / peer.seconds,
        peakBytes: peer.peakBytes,
        ratio: peer.seconds / ours.seconds,
      },
    }),
  };
}

/** @param {number} bytes */
const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(2)} GB`;

const HEADINGS = ["case", "tokens/s", "GFLOP/s", "of products", "peak", "peer", "ratio", "peak"];

/** @param {Result} result */
function rowOf(result) {
  const { peer, matmulFraction } = result;
  return [
    `${result.case} ${result.precision}`,
    result.tokensPerSecond.toFixed(0),
    result.gflops?.toFixed(0) ?? "",
    matmulFraction == null ? "" : `${(100 * matmulFraction).toFixed(0)}%`,
    gigabytes(result.peakBytes),
    peer ? `${peer.tokensPerSecond.toFixed(0)} ${peer.name} ${peer.version}` : "",
    peer ? peer.ratio.toFixed(2) : "",
    peer ? `${(result.peakBytes / peer.peakBytes).toFixed(2)} of ${gigabytes(peer.peakBytes)}` : "",
  ];
}

/**
 * Where the time of a step goes, in milliseconds.
 * @param {readonly Result[]} results
 */
function partsTable(results) {
  const names = Object.keys(results[0].parts);
  const rows = results.map(({ case: name, precision, parts }) => [
    `${name} ${precision}`,
    ...names.map((part) => `${(1000 * parts[part]).toFixed(0)} ms`),
  ]);
  return table([["part of a step", ...names], ...rows]);
}

export const run = suite(program, async (flags) => {
  const names = select(flags.case, caseNames, "case");
  const precisions = select(flags.precision, PRECISIONS, "precision");
  const { backend, threads, steps, peer } = flags;
  const results = [];
  for (const { name, ...sizes } of cases.filter((one) => names.includes(one.name))) {
    for (const precision of precisions) {
      const settings = { case: name, ...sizes, backend, precision, threads, profile: true };
      const sides = [startOurs(settings), ...(peer === undefined ? [] : [startTorch(settings)])];
      const [ours, theirs] = await interleave(sides, steps, showProgress(`${name} ${precision}`));
      results.push(resultOf(settings, ours, theirs));
    }
  }
  process.stdout.write(`${table([HEADINGS, ...results.map(rowOf)])}\n\n${partsTable(results)}\n`);
  writeResults(flags.json, results);
});
