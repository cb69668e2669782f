// `npm run mutate`: plants small faults in packages, one at a time, and counts those that no test finds.
// Survivors that are equivalent to the original are explained in mutate/survivors.json.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, setUp, stop } from "./setup.mjs";

/** @typedef {import("./mutate/sample.mjs").Mutant} Mutant */
/** @typedef {Mutant & { by: string | null }} Result A mutant, and what killed it; null if nothing did. */
/** @typedef {Pick<Mutant, "file" | "was" | "now">} Change */
/** @typedef {{ of: number, mutants: readonly Mutant[] }} Sample */

const words = process.argv.slice(2);
const flagsFrom = words.findIndex((word) => word.startsWith("-"));
const names = flagsFrom === -1 ? words : words.slice(0, flagsFrom);
if (!words.includes("--help")) setUp();

const { endWith, number, parseFlags, text } = await import("@tessera/config");
const { PACKAGES } = await import("./mutate/users.mjs");
const { sampleMutants } = await import("./mutate/sample.mjs");
const { tryAll } = await import("./mutate/session.mjs");

/** The part of its mutants that a package's tests must kill. */
const NEEDED = 0.85;

const program = {
  name: `mutate [${PACKAGES.join(" | ")}]...`,
  summary: "Plants faults in packages, one at a time, and counts those that their tests find.",
  groups: {
    Sample: {
      count: number(
        "mutants of each package; all, where it has fewer",
        { min: 1, whole: true },
        100,
      ),
      seed: number("which of them: the same seed takes the same", { min: 0, whole: true }, 1),
      again: text("takes the survivors that a result of --json lists in place of a sample", "FILE"),
    },
    Running: {
      workers: number(
        "how many are tried at once, each in its own copy",
        { min: 1, whole: true },
        1,
      ),
    },
    Output: { json: text("writes the results as JSON", "FILE") },
  },
};

/** @type {readonly (Change & { why: string })[]} */
const explained = JSON.parse(readFileSync(join(ROOT, "tools/mutate/survivors.json"), "utf8"));
/** @param {Change} change */
const whyOf = ({ file, was, now }) =>
  explained.find((one) => one.file === file && one.was === was && one.now === now)?.why;

/**
 * @param {number} killed
 * @param {number} tried
 */
const percentage = (killed, tried) => `${((100 * killed) / tried).toFixed(1)}%`;
/** @param {Result} result */
const isAlive = ({ by }) => by === null;

/**
 * The mutants to try of each package.
 * @param {{ count: number, seed: number, again: string | undefined }} flags
 * @returns {readonly (readonly [name: string, sample: Sample])[]}
 */
function choose({ count, seed, again }) {
  const samples = (names.length > 0 ? names : PACKAGES).map((name) => {
    const options = again === undefined ? { count, seed } : { count: Infinity, seed };
    return /** @type {const} */ ([name, sampleMutants(ROOT, name, options)]);
  });
  if (again === undefined) return samples;
  /** @param {Change} change */
  const keyOf = ({ file, was, now }) => `${file} ${was} ${now}`;
  const survivors = new Set(JSON.parse(readFileSync(again, "utf8")).filter(isAlive).map(keyOf));
  return samples
    .map(([name, { of, mutants }]) => {
      const again = mutants.filter((mutant) => survivors.has(keyOf(mutant)));
      return /** @type {const} */ ([name, { of, mutants: again }]);
    })
    .filter(([, { mutants }]) => mutants.length > 0);
}

/**
 * Prints what became of each mutant and how long the rest will take, and appends it to `results`.
 * @param {number} total
 * @param {Result[]} results
 * @param {string | undefined} json
 * @returns {(mutant: Mutant, by: string | null) => void}
 */
function reporter(total, results, json) {
  const began = performance.now();
  return (mutant, by) => {
    results.push({ ...mutant, by });
    const minutes =
      ((performance.now() - began) / 60_000 / results.length) * (total - results.length);
    const killed = results.filter((one) => !isAlive(one)).length;
    const left = `about ${Math.ceil(minutes)} min left`;
    process.stdout.write(`${results.length} of ${total}: ${killed} killed, ${left}\n`);
    if (by === null)
      process.stdout.write(`survived: ${mutant.file}:${mutant.line} ${mutant.now}\n`);
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, null, 2)}\n`);
  };
}

/**
 * Prints the survivors of a package. Returns whether enough were killed.
 * @param {string} name
 * @param {number} of
 * @param {readonly Result[]} results
 */
function reportPackage(name, of, results) {
  const survivors = results.filter(isAlive);
  const killed = results.length - survivors.length;
  const late = results.filter(({ by }) => by === "time").length;
  process.stdout.write(
    `\n${name}: ${killed} of ${results.length} mutants killed, ${late} of them by time: ` +
      `${percentage(killed, results.length)} (of ${of} that there are)\n`,
  );
  for (const survivor of survivors) {
    const { file, line, was, now } = survivor;
    process.stdout.write(`  ${file}:${line}\n    was ${was}\n    now ${now}\n`);
    process.stdout.write(`    ${whyOf(survivor) ?? "not explained: a test is missing"}\n`);
  }
  return killed / results.length >= NEEDED;
}

/** @param {readonly string[]} argv */
async function main(argv) {
  const parsed = parseFlags(program, argv);
  if ("answer" in parsed) {
    process.stdout.write(parsed.answer);
    return 0;
  }
  const { json, workers } = parsed.values;
  const unknown = names.find((name) => !PACKAGES.includes(name));
  if (unknown !== undefined) stop(`${unknown}: is none of the packages ${PACKAGES.join(", ")}`);
  const samples = choose(parsed.values);
  const mutants = samples.flatMap(([, sample]) => sample.mutants);
  /** @type {Result[]} */
  const results = [];
  await tryAll(ROOT, mutants, { workers, report: reporter(mutants.length, results, json) });
  const isEnough = samples.map(([name, { of }]) =>
    reportPackage(
      name,
      of,
      results.filter((result) => result.package === name),
    ),
  );
  return isEnough.every(Boolean) ? 0 : 1;
}

await endWith("mutate", () => main(flagsFrom === -1 ? [] : words.slice(flagsFrom)));
