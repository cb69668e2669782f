import { describe, expect as expectThat, test } from "@jest/globals";
import { compare, expect, mergeSummaries } from "./compare.js";
import { FIRST, type Kind, type Reading } from "./observe.js";

const EPSILON = 2 ** -24;

const reading = (kind: Kind, path: string, values: readonly number[], when = FIRST): Reading => ({
  kind,
  path,
  when,
  values: Float32Array.from(values),
});

const wave = (count: number, size = 1): number[] =>
  Array.from({ length: count }, (_, i) => size * Math.sin(3 * i + 1));
/** The same, each of which is off by so much of itself. */
const off = (values: readonly number[], by: number): number[] => values.map((x) => x * (1 + by));

const alone = [
  reading("output", "a", wave(32)),
  reading("gradient", "b.weight", wave(64)),
  reading("gradient", "a.weight", wave(64, 1e-9)),
  reading("loss", "", [2]),
];
const nudged = alone.map((one) => ({
  ...one,
  values: Float32Array.from(off([...one.values], 1e-6)),
}));
const expected = expect(alone, nudged, EPSILON);

/** Paths of what differs once `change` has replaced readings. */
const differing = (...changes: readonly Reading[]): string[] =>
  compare(changes, expected, EPSILON).differences.map(({ kind, path }) => `${kind} ${path}`);

describe("a reading", () => {
  test("may be off by a few times what a nudge of all weights does", () => {
    expectThat(differing(reading("output", "a", off(wave(32), 1e-5)))).toEqual([]);
    expectThat(differing(reading("output", "a", off(wave(32), 1e-4)))).toEqual(["output a"]);
  });

  test("that is small beside others of its kind is measured by them", () => {
    expectThat(differing(reading("gradient", "a.weight", wave(64, -1e-9)))).toEqual([]);
    expectThat(differing(reading("gradient", "a.weight", wave(64, 1e-6)))).toEqual([
      "gradient a.weight",
    ]);
  });

  test.each([
    ["is not a number", [...wave(31), NaN]],
    ["has another size", wave(31)],
  ])("that %s differs", (_what, values) => {
    expectThat(differing(reading("output", "a", values))).toEqual(["output a"]);
  });

  test("that one rank did not make differs", () => {
    expectThat(differing(reading("output", "c", wave(32)))).toEqual(["output c"]);
  });

  test("of a shard of the tokens is compared with that shard", () => {
    const rows = [reading("output", "a", wave(32))].map((one) => ({ ...one, rows: 2 }));
    const whole = expect(rows, rows, EPSILON);
    const shard = (index: number, values: readonly number[]): Reading => ({
      ...reading("output", "a", values),
      tokens: { index, count: 2 },
    });
    const second = [...wave(32).slice(8, 16), ...wave(32).slice(24)];
    expectThat(compare([shard(1, second)], whole, EPSILON).differences).toEqual([]);
    expectThat(compare([shard(0, second)], whole, EPSILON).differences).toHaveLength(1);
  });
});

test("differences are named in the order of the run, with their ulps", () => {
  const all = [reading("loss", "", [2 + 2 ** -10]), reading("output", "a", off(wave(32), 0.1))];
  const { differences } = compare(all, expected, EPSILON);
  const first = differences.toSorted((a, b) => a.order - b.order);
  expectThat(first.map(({ kind }) => kind)).toEqual(["output", "loss"]);
  expectThat(first[1]!.ulps).toBe(2 ** 12);
});

test.each([
  ["the gradient", (small: Float32Array) => ({ values: small })],
  ["the gradient with its L2 term", (small: Float32Array) => ({ decayed: small })],
])("an update counts only where %s determines it", (_what, gradient) => {
  const steps = wave(64).map(Math.sign);
  const small = Float32Array.from(wave(64), (x, i) => (i === 5 ? 1e-9 : x));
  const run = [
    { ...reading("gradient", "w", wave(64)), ...gradient(small) },
    reading("update", "w", steps, "step 2"),
  ];
  const of = expect(run, run, EPSILON);
  const turned = (at: number): Reading =>
    reading(
      "update",
      "w",
      steps.map((step, i) => (i === at ? -step : step)),
      "step 2",
    );
  expectThat(compare([turned(5)], of, EPSILON).differences).toEqual([]);
  expectThat(compare([turned(6)], of, EPSILON).differences).toHaveLength(1);
});

test("a figure of a later step may be off as far as updates are", () => {
  const run = [
    reading("gradient", "w", wave(64)),
    reading("gradient norm", "", [3]),
    reading("gradient norm", "", [3], "step 2"),
    reading("update", "w", wave(64), "step 2"),
  ];
  const moved = run.map((one) =>
    one.kind === "update" ? reading("update", "w", off(wave(64), 1e-4), "step 2") : one,
  );
  const of = expect(run, moved, EPSILON);
  const norm = (when: string): Reading => reading("gradient norm", "", off([3], 1e-3), when);
  expectThat(compare([norm("step 2")], of, EPSILON).differences).toEqual([]);
  expectThat(compare([norm(FIRST)], of, EPSILON).differences).toHaveLength(1);
});

test("a summary has what comes nearest to what is allowed", () => {
  const near = { compared: 2, apart: 3, allowed: 4 };
  const far = { compared: 5, apart: 9, allowed: 100 };
  expectThat(mergeSummaries([{ loss: far }, { loss: near }])).toEqual({
    loss: { ...near, compared: 7 },
  });
});
