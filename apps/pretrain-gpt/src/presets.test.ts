// The shipped argument lists, on paper, at their number of ranks.

import { expect, test } from "@jest/globals";
import { parseFlags } from "@tessera/config";
import { arrange } from "./arguments.js";
import { timelineOf } from "./describe.js";
import { program } from "./flags.js";
import { describeTaken } from "./foreign.js";
import { mostMemory } from "./memory.js";
import { presetNames, presetOf } from "./presets.js";
import { resolveLine } from "./programs/resolve.js";
import { run } from "./programs/run.js";

/**
 * What each is to be: parameters by Narayanan et al. (2021), equation 2, of the sizes that the lists give, and
 * how OLCF's scripts lay it out.
 */
const expected = {
  "1.4b": { layers: 24, hidden: 2064, tensor: 8, pipeline: 2, data: 1, batch: 2 },
  "22b": { layers: 48, hidden: 6144, tensor: 4, pipeline: 8, data: 1, batch: 20 },
  "175b": { layers: 96, hidden: 12288, tensor: 8, pipeline: 12, data: 2, batch: 12 },
  "1t": { layers: 128, hidden: 25600, tensor: 8, pipeline: 64, data: 1, batch: 8 },
} as const;
const [VOCABULARY, TIME] = [50_257, 2048];

/** What a rank holds of a stage: its part of the layers, and at an end its slice of the table. */
function weightsOf(size: (typeof expected)[keyof typeof expected], stage: number): number {
  const { layers, hidden, tensor, pipeline } = size;
  // Biases of rows and norms are whole on every rank.
  const layer = (12 * hidden ** 2 + 7 * hidden) / tensor + 6 * hidden;
  const table = Math.ceil(VOCABULARY / tensor) * hidden;
  const first = stage === 0 ? table + TIME * hidden : 0;
  const last = stage === pipeline - 1 ? table + 2 * hidden : 0;
  return (layers / pipeline) * layer + first + last;
}

test.each(presetNames)("%s resolves for its ranks, and says what it is", (name) => {
  const { layers, hidden, tensor, pipeline, data, batch } = expected[name];
  const { status, stdout, stderr } = run(`--preset ${name} --print-config`);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const ranks = tensor * pipeline * data;
  expect(presetOf(name).ranks).toBe(ranks);
  expect(stdout).toContain(
    `ranks  ${ranks}: tensor ${tensor} x pipeline ${pipeline} x data ${data}`,
  );
  expect(stdout).toMatch(new RegExp(` = ${batch}(,|;)`));
  const parameters =
    12 *
    layers *
    hidden ** 2 *
    (1 + 13 / (12 * hidden) + (VOCABULARY + TIME) / (12 * layers * hidden));
  const [, said, unit] = /model {2}([\d.]+)([BT]) parameters/.exec(stdout)!;
  const size = Number(said) * (unit === "T" ? 1e12 : 1e9);
  expect(Math.abs(size / parameters - 1)).toBeLessThan(0.005);
  // What a rank of the fullest stage has in fp32. A slice of the table is 4% of it or more.
  const { run: chosen } = resolveLine(`--preset ${name}`, ranks);
  const { stage: fullest, kinds } = mostMemory(chosen, timelineOf(chosen).peakInFlight);
  const held = weightsOf(expected[name], fullest);
  expect(Math.abs(kinds["weights"]! / (4 * held) - 1)).toBeLessThan(0.005);
});

test("ranks that a preset's layout does not divide are refused", () => {
  const { status, stderr } = run("--preset 22b --world-size 48 --print-config");
  expect(status).toBe(2);
  expect(stderr).toMatch(
    /4 x --pipeline-model-parallel-size 8: the job has 48 ranks, which are no/,
  );
});

test("a line counts a flag as it stands last, behind the preset's, and names what is useless once", () => {
  const line = "--preset 1.4b --lr 1 --DDP-impl local --lr=2 --DDP-impl torch --norm-epsilon 1e-6";
  const argv = arrange(line.split(" "));
  const at = (flag: string) => argv[argv.indexOf(flag) + 1];
  expect(argv.filter((word) => word === "--lr")).toHaveLength(1);
  expect([at("--lr"), at("--num-layers")]).toEqual(["2", "24"]);
  const parsed = parseFlags(program, argv);
  if ("answer" in parsed) throw new Error("asked for help");
  expect(parsed.values["layernorm-epsilon"]).toBe(1e-6);
  expect(describeTaken(parsed.idle)).toEqual(["--DDP-impl: taken, but without use here"]);
});

test("there is no other preset", () => {
  expect(() => arrange(["--preset", "2b"])).toThrow("must be one of 1.4b, 22b, 175b, 1t");
});
