// Which mutants of a package are tried: a sample that the same seed draws again.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mutantsOf } from "./operators.mjs";

/** @typedef {import("./operators.mjs").SourceMutant & { package: string, file: string }} Mutant */

/**
 * Not code of the package's own: lists of exports, tests, and the programs that tests start.
 * @param {string} name
 */
const isTried = (name) =>
  name.endsWith(".ts") &&
  !/(^|\/)index\.ts$/.test(name) &&
  !name.endsWith(".test.ts") &&
  !name.startsWith("programs/");

/**
 * @param {string} root
 * @param {string} name
 * @returns {readonly Mutant[]}
 */
function allMutants(root, name) {
  const folder = join("packages", name, "src");
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter(isTried)
    .sort()
    .flatMap((path) => {
      const file = join(folder, path);
      const mutants = mutantsOf(readFileSync(join(root, file), "utf8"));
      return mutants.map((mutant) => ({ package: name, file, ...mutant }));
    });
}

/**
 * The minimal standard generator of Park and Miller.
 * @param {number} seed
 * @returns {() => number}
 */
function randomNumbers(seed) {
  let state = 1 + (Math.abs(Math.trunc(seed)) % 2_147_483_646);
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

/**
 * `count` mutants of a package, or all where there are fewer, and of how many they are.
 * @param {string} root
 * @param {string} name
 * @param {{ count: number, seed: number }} options
 */
export function sampleMutants(root, name, { count, seed }) {
  const all = allMutants(root, name);
  const random = randomNumbers(seed);
  random(); // the first of a small seed is small
  const shuffled = all.map((mutant) => ({ mutant, key: random() })).sort((a, b) => a.key - b.key);
  return { of: all.length, mutants: shuffled.slice(0, count).map(({ mutant }) => mutant) };
}
