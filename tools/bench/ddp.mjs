// The data-parallel suite: two ranks of one thread beside one rank of one thread, at 30M, and beside
// PyTorch's DDP over gloo if that is asked for. All take steps in turn.

import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { choice, endWith, number, parseFlags, text } from "@tessera/config";
import { cases } from "./training/cases.mjs";
import { inTurn, ranksOf } from "./training/sides.mjs";
import { stepper } from "./training/stepper.mjs";

const program = {
  name: "bench ddp",
  summary: "Times data-parallel training steps at 30M: ranks of one thread on this machine.",
  groups: {
    Cases: {
      ranks: number("how many ranks", { min: 2, whole: true }, 2),
      zero_stage: choice("what they share out", ["0", "1", "2", "3"], "0"),
      precision: choice("how activations are stored", ["fp32", "bf16"], "fp32"),
      steps: number("timed steps of each side, after two that are not", { min: 1, whole: true }, 5),
    },
    Peer: {
      peer: choice("what to compare with; TESSERA_PEER_PYTHON names its interpreter", ["torch"]),
    },
    Output: { json: text("writes the results as JSON", "FILE") },
  },
};

const [SMALL] = cases.filter(({ name }) => name === "gpt-30M");

const script = (name) => fileURLToPath(new URL(`./training/${name}`, import.meta.url));

const peerOf = (settings) =>
  stepper(process.env.TESSERA_PEER_PYTHON ?? "python3", [script("peer_torch.py")], settings);

/** A port that nobody listens on. */
const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

async function main(argv) {
  const parsed = parseFlags(program, argv);
  if ("help" in parsed) {
    process.stdout.write(parsed.help);
    return 0;
  }
  const { ranks, precision, steps, peer, json, zero_stage } = parsed.values;
  const { name, ...sizes } = SMALL;
  const backend = "native";
  const common = {
    ...sizes,
    case: name,
    backend,
    precision,
    threads: 1,
    stage: Number(zero_stage),
  };
  const sides = [ranksOf({ ...common, ranks: 1 }), ranksOf({ ...common, ranks })];
  if (peer !== undefined) sides.push(peerOf({ ...common, ranks, port: await freePort() }));
  const [one, many, theirs] = await inTurn(sides, steps);
  const tokens = sizes.batch * sizes.time;
  const speed = (of, count) => (count * tokens) / of.seconds;
  const result = {
    case: name,
    precision,
    ranks,
    zeroStage: Number(zero_stage),
    tokensPerSecond: speed(many, ranks),
    oneRankTokensPerSecond: speed(one, 1),
    scaling: speed(many, ranks) / (ranks * speed(one, 1)),
    hiddenCommunication: many.hidden,
    ...(theirs && {
      peer: {
        name: theirs.name,
        version: theirs.version,
        tokensPerSecond: speed(theirs, ranks),
        ratio: theirs.seconds / many.seconds,
      },
    }),
  };
  process.stdout.write(`${told(result)}\n`);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify([result], null, 2)}\n`);
  return 0;
}

function told({ case: name, precision, ranks, zeroStage, peer, ...of }) {
  const lines = [
    `${name} ${precision}, ZeRO ${zeroStage}: ${of.tokensPerSecond.toFixed(0)} tokens/s on ${ranks} ` +
      `ranks of one thread, ${of.oneRankTokensPerSecond.toFixed(0)} on one`,
    `${of.scaling.toFixed(3)} of ${ranks} times one rank; ` +
      `${(100 * of.hiddenCommunication).toFixed(0)}% of communication passed behind computation`,
  ];
  if (peer) {
    lines.push(
      `${peer.ratio.toFixed(2)} times ${peer.name} ${peer.version} DDP over gloo, ` +
        `${peer.tokensPerSecond.toFixed(0)} tokens/s`,
    );
  }
  return lines.join("\n");
}

export const run = (argv) => endWith("bench", () => main(argv));
