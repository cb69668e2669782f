// What the suites of `npm run bench` start: that it takes steps, as one rank and as two, on tiny sizes. How
// fast is not tested.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "@jest/globals";

const tiny = {
  batch: 2,
  time: 8,
  model: { layers: 2, width: 16, heads: 2, vocabulary: 64, positions: 8 },
  precision: "fp32",
  backend: "wasm",
  threads: 1,
  profile: false,
};

/** Asks the ranks for two steps and the end, as a suite does. */
const ASK = `
import { ranksOf } from "./bench/training/sides.mjs";
const side = ranksOf(JSON.parse(process.argv[1]));
const answers = [];
for (const word of ["step", "step", "end"]) answers.push(await side.ask(word));
side.stop();
console.log(JSON.stringify(answers));
`;

interface Step {
  readonly seconds: number;
  readonly loss: number;
}

interface End {
  readonly peakBytes: number;
  readonly hidden: number;
  readonly parts?: Readonly<Record<string, number>>;
}

function answers(settings: object): [Step, Step, End] {
  const argument = JSON.stringify({ ...tiny, ...settings });
  const said = execFileSync(process.execPath, ["--input-type=module", "--eval", ASK, argument], {
    cwd: join(__dirname, ".."),
    encoding: "utf8",
    timeout: 50_000,
  });
  return JSON.parse(said) as [Step, Step, End];
}

test("a step is timed and says its loss, and the end tells where time goes", () => {
  const [first, second, end] = answers({ ranks: 1, profile: true });
  expect(first.seconds).toBeGreaterThan(0);
  expect(second.loss).toBeLessThan(first.loss);
  expect(Object.keys(end.parts!)).toContain("attention");
});

test.each([
  ["data in ZeRO 3", { stage: 3 }, { batch: 4 }],
  ["products and tokens", { tensor: 2, sequence: true }, {}],
])("two ranks that share %s lose what one rank loses", (_name, settings, alone) => {
  const [one] = answers({ ranks: 1, ...alone });
  const [two, , end] = answers({ ranks: 2, ...settings });
  expect(two.loss / one.loss).toBeCloseTo(1, 5);
  expect(end.hidden).toBeLessThanOrEqual(1);
});
