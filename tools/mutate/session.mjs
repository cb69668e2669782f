// Tries mutants in copies of the workspace, several at once.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { endAll, firstFailure } from "./judge.mjs";
import { copyWorkspace, plant, removeWorkspace } from "./scratch.mjs";
import { USERS } from "./users.mjs";

/** @typedef {import("./sample.mjs").Mutant} Mutant */
/** @typedef {import("./users.mjs").Tests} Tests */
/** @typedef {ReturnType<typeof createOrder>} TestOrder */

/** A run takes no longer than this, and so many times what it takes without a mutant: else it hangs. */
const LEAST_LIMIT_MS = 30_000;
const LIMIT_FACTOR = 4;

/**
 * The test files of a package: those first that killed most mutants of a file, then of any.
 * @param {string} root
 * @param {string} name
 */
function createOrder(root, name) {
  const folder = join("packages", name, "src");
  /** @type {Map<string, number>} */
  const kills = new Map();
  const files = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts"))
    .map((path) => join(folder, path));
  /**
   * @param {string} test
   * @param {string} file
   */
  const countOf = (test, file) => kills.get(`${test} ${file}`) ?? 0;
  /** @param {string} test */
  const all = (test) => countOf(test, "any");
  return {
    /** @param {string} file */
    of: (file) => files.toSorted((a, b) => countOf(b, file) - countOf(a, file) || all(b) - all(a)),
    /**
     * @param {string} test
     * @param {string} file
     */
    killed(test, file) {
      for (const of of [file, "any"]) kills.set(`${test} ${of}`, countOf(test, of) + 1);
    },
  };
}

/**
 * A package's own tests, and those of its users.
 * @param {string} name
 * @returns {readonly Tests[]}
 */
const stagesOf = (name) => [{ project: `packages/${name}` }, ...(USERS[name] ?? [])];

/**
 * The time limit of each package's tests, from a run without a mutant. Throws where they do not pass.
 * @param {string} folder
 * @param {readonly string[]} names
 */
async function measureLimits(folder, names) {
  /** @type {Map<string, number>} */
  const limits = new Map();
  for (const stage of names.flatMap(stagesOf)) {
    const key = JSON.stringify(stage);
    if (limits.has(key)) continue;
    const began = performance.now();
    const failed = await firstFailure(folder, stage, { order: [], limitMs: 600_000 });
    if (failed !== null)
      throw new Error(`${stage.project}: its tests fail without a mutant: ${failed}`);
    limits.set(key, Math.max(LEAST_LIMIT_MS, LIMIT_FACTOR * (performance.now() - began)));
  }
  return limits;
}

/**
 * What killed a mutant: a test file, "time", or "crash"; null where it survived.
 * @param {string} folder
 * @param {Mutant} mutant
 * @param {{ limits: ReadonlyMap<string, number>, order: TestOrder }} options
 */
async function judge(folder, mutant, { limits, order }) {
  const takeOut = plant(folder, mutant);
  try {
    for (const stage of stagesOf(mutant.package)) {
      const limitMs = limits.get(JSON.stringify(stage)) ?? LEAST_LIMIT_MS;
      const by = await firstFailure(folder, stage, { order: order.of(mutant.file), limitMs });
      if (by !== null) {
        order.killed(by, mutant.file);
        return by;
      }
    }
    return null;
  } finally {
    takeOut();
  }
}

/**
 * Calls `report` with each mutant once it is tried, and with what killed it.
 * @param {string} root
 * @param {readonly Mutant[]} mutants
 * @param {{ workers: number, report: (mutant: Mutant, by: string | null) => void }} options
 */
export async function tryAll(root, mutants, { workers, report }) {
  /** @type {string[]} */
  const folders = [];
  const leave = () => {
    endAll();
    folders.forEach(removeWorkspace);
  };
  const stop = () => {
    leave();
    process.exit(130);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, stop);
  try {
    while (folders.length < Math.min(workers, mutants.length)) folders.push(copyWorkspace(root));
    const names = [...new Set(mutants.map((mutant) => mutant.package))];
    const [first] = folders;
    if (first === undefined) return;
    const limits = await measureLimits(first, names);
    const orders = new Map(names.map((name) => [name, createOrder(root, name)]));
    const left = mutants.values();
    /** @param {string} folder */
    const work = async (folder) => {
      for (const mutant of left) {
        const order = orders.get(mutant.package) ?? createOrder(root, mutant.package);
        report(mutant, await judge(folder, mutant, { limits, order }));
      }
    };
    await Promise.all(folders.map(work));
  } finally {
    leave();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeListener(signal, stop);
  }
}
