// A checkpoint that the first version saved (commit ba3992d) continues as that version continued it: losses to the bit,
// norms but for the rounding of its sums of squares, which are exact now.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { runNode, scratchFolder } from "@tessera/testing";

const MAIN = join(__dirname, "../dist/main.js");
const FIXTURES = join(__dirname, "../fixtures/first_version");
const at = scratchFolder("first-version");

interface Expected {
  /** Of the run that saved the checkpoint after step 3 and went on to step 6. */
  readonly flags: string;
  readonly steps: readonly Readonly<Record<"step" | "loss" | "grad_norm", number>>[];
  readonly eval_loss: number;
}

const read = (path: string) => readFileSync(path, "utf8");

test("a run that ba3992d saved goes on with the same losses and norms", () => {
  const expected = JSON.parse(read(join(FIXTURES, "expected.json"))) as Expected;
  const output = at("out");
  const { status, stderr } = runNode([
    MAIN,
    ...expected.flags.split(" "),
    ...["--text", join(FIXTURES, "text.txt"), "--max_steps", "6", "--output_dir", output],
    ...["--resume_from_checkpoint", join(FIXTURES, "checkpoint-3")],
  ]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const metrics = read(join(output, "metrics.jsonl"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, number>);
  const steps = metrics.flatMap(({ step, loss, grad_norm }) =>
    loss === undefined ? [] : [{ step, loss, grad_norm }],
  );
  const losses = (all: typeof steps) => all.map(({ step, loss }) => ({ step, loss }));
  expect(losses(steps)).toEqual(losses([...expected.steps]));
  expected.steps.forEach(({ grad_norm: norm }, i) => {
    expect(Math.abs(steps[i]!.grad_norm! / norm - 1)).toBeLessThan(2 ** -19);
  });
  expect(metrics.at(-1)!["eval_loss"]).toBe(expected.eval_loss);
});
