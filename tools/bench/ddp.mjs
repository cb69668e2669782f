// The data-parallel suite: two ranks of one thread beside one rank of one thread, at 30M, and beside
// PyTorch's DDP over gloo with --peer. Their steps are interleaved.

import { createServer } from "node:net";
import { choice, number, toggle } from "@tessera/config";
import { output, suite, writeResults } from "./shared/suite.mjs";
import { STAGES, small } from "./training/cases.mjs";
import { checkCompile, interleave, startOurs, startTorch } from "./training/sides.mjs";

const program = {
  name: "bench ddp",
  summary: "Times data-parallel training steps at 30M: ranks of one thread on this machine.",
  groups: {
    Cases: {
      ranks: number("how many ranks", { min: 2, whole: true }, 2),
      zero_stage: choice("what they shard", ["0", "1", "2", "3"], "0"),
      precision: choice("how activations are stored", ["fp32", "bf16"], "fp32"),
      steps: number("timed steps of each side, after two that are not", { min: 1, whole: true }, 5),
    },
    Peer: {
      peer: choice("what to compare with; TESSERA_PEER_PYTHON names its interpreter", ["torch"]),
      compile: toggle("whether it compiles its model", false),
    },
    Output: output,
  },
};

/** @typedef {import("./training/stepper.mjs").Settings} Settings */
/** @typedef {Awaited<ReturnType<typeof measure>>} Result */

/**
 * A port that nobody listens on.
 * @returns {Promise<number>}
 */
const findFreePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });

/**
 * @param {object} flags
 * @param {number} flags.ranks
 * @param {"fp32" | "bf16"} flags.precision
 * @param {number} flags.steps
 * @param {"torch" | undefined} flags.peer
 * @param {boolean} flags.compile
 * @param {"0" | "1" | "2" | "3"} flags.zero_stage
 */
async function measure({ ranks, precision, steps, peer, compile, zero_stage }) {
  checkCompile(peer, compile);
  const { name, ...sizes } = small;
  /** @type {Settings} */
  const common = {
    ...sizes,
    case: name,
    backend: "native",
    precision,
    threads: 1,
    stage: STAGES[zero_stage],
  };
  const sides = [startOurs({ ...common, ranks: 1 }), startOurs({ ...common, ranks })];
  if (peer !== undefined) {
    sides.push(startTorch({ ...common, ranks, compile, port: await findFreePort() }));
  }
  const [one, many, theirs] = await interleave(sides, steps);
  const tokens = sizes.batch * sizes.time;
  /**
   * @param {{ seconds: number }} of
   * @param {number} count
   */
  const speed = (of, count) => (count * tokens) / of.seconds;
  return {
    case: name,
    precision,
    ranks,
    zeroStage: Number(zero_stage),
    tokensPerSecond: speed(many, ranks),
    oneRankTokensPerSecond: speed(one, 1),
    scaling: speed(many, ranks) / (ranks * speed(one, 1)),
    hiddenCommunication: many.hidden ?? 0,
    ...(theirs && {
      peer: {
        name: theirs.name,
        version: theirs.version,
        tokensPerSecond: speed(theirs, ranks),
        ratio: theirs.seconds / many.seconds,
      },
    }),
  };
}

/** @param {Result} result */
function describe({ case: name, precision, ranks, zeroStage, peer, ...of }) {
  const lines = [
    `${name} ${precision}, ZeRO ${zeroStage}: ${of.tokensPerSecond.toFixed(0)} tokens/s on ${ranks} ` +
      `ranks of one thread, ${of.oneRankTokensPerSecond.toFixed(0)} on one`,
    `${of.scaling.toFixed(3)} of ${ranks} times one rank; ` +
      `${(100 * of.hiddenCommunication).toFixed(0)}% of communication overlapped with computation`,
  ];
  if (peer) {
    lines.push(
      `${peer.ratio.toFixed(2)} times ${peer.name} ${peer.version} DDP over gloo, ` +
        `${peer.tokensPerSecond.toFixed(0)} tokens/s`,
    );
  }
  return lines.join("\n");
}

export const run = suite(program, async (flags) => {
  const result = await measure(flags);
  process.stdout.write(`${describe(result)}\n`);
  writeResults(flags.json, [result]);
});
