// The training suite: whole training steps of two models, in fp32 and bf16, beside a peer's if one is
// asked for. Ours and the peer's take steps in turn, each in a process of its own, so that whatever
// else the machine does falls on both.

import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { choice, endWith, list, number, parseFlags, text, UserError } from "@tessera/config";
import { stepper } from "./training/stepper.mjs";
import { cases } from "./training/cases.mjs";
import { medianOf } from "./training/median.mjs";
import { table } from "./training/table.mjs";

const program = {
  name: "bench training",
  summary: "Times whole training steps: forward, backward, clipping, AdamW.",
  groups: {
    Cases: {
      case: list(`which of ${cases.map(({ name }) => name).join(", ")}; all, unless named`, "NAME"),
      precision: list("fp32, bf16; both, unless named", "NAME"),
      backend: choice("what computes", ["native", "wasm"], "native"),
      threads: number("threads of each side", { min: 1, whole: true }, availableParallelism()),
      steps: number("timed steps of each side, after two that are not", { min: 1, whole: true }, 5),
    },
    Peer: {
      peer: choice("what to compare with; TESSERA_PEER_PYTHON names its interpreter", ["torch"]),
    },
    Output: { json: text("writes the results as JSON", "FILE") },
  },
};

const PRECISIONS = ["fp32", "bf16"];
const WARM_UP = 2;

/** Those of `known` that are asked for. */
function chosen(asked, known, flag) {
  for (const name of asked) {
    if (!known.includes(name)) {
      throw new UserError(`--${flag} ${name}: must be one of ${known.join(", ")}`);
    }
  }
  return known.filter((name) => asked.length === 0 || asked.includes(name));
}

const script = (name) => fileURLToPath(new URL(`./training/${name}`, import.meta.url));

const oursOf = (settings) => stepper(process.execPath, [script("worker.mjs")], settings);

const peerOf = (settings) =>
  stepper(process.env.TESSERA_PEER_PYTHON ?? "python3", [script("peer_torch.py")], settings);

/** Steps of both sides in turn; their medians and what each says at its end. */
async function measure(settings, { steps, peer }) {
  const sides = [oursOf(settings)];
  try {
    if (peer !== undefined) sides.push(peerOf(settings));
    const tell = progress(`${settings.case} ${settings.precision}`, steps + WARM_UP);
    const times = sides.map(() => []);
    for (let round = 0; round < steps + WARM_UP; round += 1) {
      for (const [i, side] of sides.entries()) {
        const { seconds } = await side.ask("step");
        if (round >= WARM_UP) times[i].push(seconds);
      }
      tell(round + 1);
    }
    const ends = [];
    for (const side of sides) ends.push(await side.ask("end"));
    return ends.map((end, i) => ({ ...end, seconds: medianOf(times[i]) }));
  } finally {
    for (const side of sides) side.stop();
  }
}

/** A line on the terminal that says how far a case is. */
function progress(name, rounds) {
  const began = performance.now();
  return (round) => {
    const left = ((performance.now() - began) / round) * (rounds - round);
    if (!process.stderr.isTTY) return;
    const state = round < rounds ? `${round}/${rounds}, ${Math.ceil(left / 1000)} s left` : "";
    process.stderr.write(`\r\x1b[K${state === "" ? "" : `${name}: ${state}`}`);
  };
}

function resultOf(settings, [ours, peer]) {
  const { name, version, peakBytes, seconds } = peer ?? {};
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
    parts: ours.parts,
    ...(peer && {
      peer: {
        name,
        version,
        tokensPerSecond: tokens / seconds,
        peakBytes,
        ratio: seconds / ours.seconds,
      },
    }),
  };
}

const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(2)} GB`;

const HEADINGS = ["case", "tokens/s", "GFLOP/s", "of products", "peak", "peer", "ratio", "peak"];

function rowOf(result) {
  const { peer } = result;
  return [
    `${result.case} ${result.precision}`,
    result.tokensPerSecond.toFixed(0),
    result.gflops?.toFixed(0) ?? "",
    result.matmulFraction === null ? "" : `${(100 * result.matmulFraction).toFixed(0)}%`,
    gigabytes(result.peakBytes),
    peer ? `${peer.tokensPerSecond.toFixed(0)} ${peer.name} ${peer.version}` : "",
    peer ? peer.ratio.toFixed(2) : "",
    peer ? `${(result.peakBytes / peer.peakBytes).toFixed(2)} of ${gigabytes(peer.peakBytes)}` : "",
  ];
}

/** Where the time of a step goes, in milliseconds. */
function partsTable(results) {
  const names = Object.keys(results[0].parts);
  const rows = results.map(({ case: name, precision, parts }) => [
    `${name} ${precision}`,
    ...names.map((part) => `${(1000 * parts[part]).toFixed(0)} ms`),
  ]);
  return table([["part of a step", ...names], ...rows]);
}

async function main(argv) {
  const parsed = parseFlags(program, argv);
  if ("help" in parsed) {
    process.stdout.write(parsed.help);
    return 0;
  }
  const flags = parsed.values;
  const names = chosen(
    flags.case,
    cases.map(({ name }) => name),
    "case",
  );
  const precisions = chosen(flags.precision, PRECISIONS, "precision");
  const results = [];
  for (const { name, ...sizes } of cases.filter((one) => names.includes(one.name))) {
    for (const precision of precisions) {
      const { backend, threads } = flags;
      const settings = { case: name, ...sizes, backend, precision, threads, profile: true };
      results.push(resultOf(settings, await measure(settings, flags)));
    }
  }
  process.stdout.write(`${table([HEADINGS, ...results.map(rowOf)])}\n\n${partsTable(results)}\n`);
  if (flags.json !== undefined) {
    writeFileSync(flags.json, `${JSON.stringify(results, null, 2)}\n`);
  }
  return 0;
}

export const run = (argv) => endWith("bench", () => main(argv));
