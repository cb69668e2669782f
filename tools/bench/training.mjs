// The training suite: whole training steps of two models, in fp32 and bf16, beside a peer's with --peer, and on several
// backends. The steps of all are interleaved, each in a process of its own.

import { availableParallelism } from "node:os";
import { choice, list, number, toggle, UserError } from "@tessera/config";
import { output, suite, writeResults } from "./shared/suite.mjs";
import { table } from "./shared/table.mjs";
import { caseNames, cases, usualCases } from "./training/cases.mjs";
import { checkCompile, interleave, startOurs, startTorch } from "./training/sides.mjs";

/** @typedef {import("./training/stepper.mjs").Settings} Settings */
/** @typedef {import("./training/sides.mjs").Measured} Measured */
/** @typedef {ReturnType<typeof resultOf>} Result */

/** @type {readonly ("fp32" | "bf16")[]} */
const PRECISIONS = ["fp32", "bf16"];
/** @type {readonly ("native" | "wasm" | "tensorflow")[]} */
const BACKENDS = ["native", "wasm", "tensorflow"];

const program = {
  name: "bench training",
  summary: "Times whole training steps: forward, backward, clipping, AdamW.",
  groups: {
    Cases: {
      case: list(`which of ${caseNames.join(", ")}. Default: the first two`, "NAME"),
      precision: list("fp32, bf16; both, unless named", "NAME"),
      backend: list(`what computes: ${BACKENDS.join(", ")}. Default: native`, "NAME"),
      threads: number("threads of each side", { min: 1, whole: true }, availableParallelism()),
      steps: number("timed steps of each side, after two that are not", { min: 1, whole: true }, 5),
    },
    Peer: {
      peer: choice("what to compare with; TESSERA_PEER_PYTHON names its interpreter", ["torch"]),
      compile: toggle("whether it compiles its model", false),
    },
    Output: output,
  },
};

/**
 * Those of `known` that a flag names, or else the usual ones.
 * @template {string} T
 * @param {readonly string[]} asked
 * @param {readonly T[]} known
 * @param {string} flag
 * @param {readonly T[]} [usual] Default: all.
 */
function select(asked, known, flag, usual = known) {
  const unknown = asked.find((name) => !known.some((one) => one === name));
  if (unknown !== undefined) {
    throw new UserError(`--${flag} ${unknown}: must be one of ${known.join(", ")}`);
  }
  return asked.length === 0 ? usual : known.filter((name) => asked.includes(name));
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
 * @param {Measured} first The first of our backends.
 * @param {Measured} [peer]
 */
function resultOf(settings, ours, first, peer) {
  const tokens = settings.batch * settings.time;
  return {
    case: settings.case,
    backend: settings.backend,
    precision: settings.precision,
    threads: settings.threads,
    tokensPerSecond: tokens / ours.seconds,
    gflops: ours.flops && ours.flops / ours.seconds / 1e9,
    matmulFraction: ours.matmulFraction,
    limitFraction: ours.limitFraction,
    peakBytes: ours.peakBytes,
    parts: ours.parts ?? {},
    ...(ours !== first && {
      first: { speed: first.seconds / ours.seconds, memory: ours.peakBytes / first.peakBytes },
    }),
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

const HEADINGS = [
  ...["case", "tokens/s", "GFLOP/s", "of products", "of the unit"],
  ...["peak", "peer", "ratio", "peak"],
];

/** @param {number | null | undefined} fraction */
const percent = (fraction) => (fraction == null ? "" : `${(100 * fraction).toFixed(0)}%`);

/** @param {Result} result */
function rowOf(result) {
  const { peer, first, matmulFraction, limitFraction } = result;
  return [
    `${result.case} ${result.precision} ${result.backend}`,
    result.tokensPerSecond.toFixed(0) + (first ? `, ${first.speed.toFixed(2)} of the first` : ""),
    result.gflops?.toFixed(0) ?? "",
    percent(matmulFraction),
    percent(limitFraction),
    gigabytes(result.peakBytes) + (first ? `, ${first.memory.toFixed(2)} of its` : ""),
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
  const names = Object.keys(results[0]?.parts ?? {});
  const rows = results.map(({ case: name, precision, parts }) => [
    `${name} ${precision}`,
    ...names.map((part) => `${(1000 * parts[part]).toFixed(0)} ms`),
  ]);
  return table([["part of a step", ...names], ...rows]);
}

export const run = suite(program, async (flags) => {
  const usual = usualCases.map(({ name }) => name);
  const names = select(flags.case, caseNames, "case", usual);
  const backends = select(flags.backend, BACKENDS, "backend", ["native"]);
  const precisions = select(flags.precision, PRECISIONS, "precision");
  const { threads, steps, peer, compile } = flags;
  checkCompile(peer, compile);
  const results = [];
  for (const { name, ...sizes } of cases.filter((one) => names.includes(one.name))) {
    for (const precision of precisions) {
      // TensorFlow queues what it is told: how long a call takes says nothing of what it computes.
      const settings = backends.map((backend) => {
        const profile = backend !== "tensorflow";
        return { case: name, ...sizes, backend, precision, threads, profile };
      });
      const peers = peer === undefined ? [] : [startTorch({ ...settings[0], compile })];
      const sides = [...settings.map(startOurs), ...peers];
      const measured = await interleave(sides, steps, showProgress(`${name} ${precision}`));
      const theirs = measured[backends.length];
      for (const [i, one] of settings.entries()) {
        results.push(resultOf(one, measured[i], measured[0], theirs));
      }
    }
  }
  const profiled = results.filter(({ parts }) => Object.keys(parts).length > 0);
  process.stdout.write(`${table([HEADINGS, ...results.map(rowOf)])}\n`);
  if (profiled.length > 0) process.stdout.write(`\n${partsTable(profiled)}\n`);
  writeResults(flags.json, results);
});
