// Tries mutants in copies of the workspace, several at once.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { endAll, firstFailure } from "./judge.mjs";
import { copyWorkspace, plant, removeWorkspace } from "./scratch.mjs";
import { USERS } from "./users.mjs";

/** A run takes no longer than this, and so many times what it takes without a mutant: else it hangs. */
const LEAST_LIMIT_MS = 30_000;
const PATIENCE = 4;

/** The test files of a package: those first that killed most mutants of a file, then of any. */
function ordering(root, name) {
  const folder = join("packages", name, "src");
  const kills = new Map();
  const files = readdirSync(join(root, folder), { recursive: true })
    .filter((path) => path.endsWith(".test.ts"))
    .map((path) => join(folder, path));
  const countOf = (test, file) => kills.get(`${test} ${file}`) ?? 0;
  const all = (test) => countOf(test, "any");
  return {
    of: (file) => files.toSorted((a, b) => countOf(b, file) - countOf(a, file) || all(b) - all(a)),
    killed(test, file) {
      for (const of of [file, "any"]) kills.set(`${test} ${of}`, countOf(test, of) + 1);
    },
  };
}

/** A package's own tests, and those of its users. */
const stagesOf = (name) => [{ project: `packages/${name}` }, ...USERS[name]];

/** How long the tests of each package take without a mutant; throws where they do not pass. */
async function limitsOf(folder, names) {
  const limits = new Map();
  for (const stage of names.flatMap(stagesOf)) {
    const key = JSON.stringify(stage);
    if (limits.has(key)) continue;
    const began = performance.now();
    const failed = await firstFailure(folder, stage, { order: [], limitMs: 600_000 });
    if (failed !== null)
      throw new Error(`${stage.project}: its tests fail without a mutant: ${failed}`);
    limits.set(key, Math.max(LEAST_LIMIT_MS, PATIENCE * (performance.now() - began)));
  }
  return limits;
}

/** What killed a mutant: a test file, "time", or "crash"; null where it survived. */
async function judge(folder, mutant, { limits, order }) {
  const takeOut = plant(folder, mutant);
  try {
    for (const stage of stagesOf(mutant.package)) {
      const limitMs = limits.get(JSON.stringify(stage));
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

/** Calls `tell` with each mutant once it is tried, and with what killed it. */
export async function tryAll(root, mutants, { workers, tell }) {
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
    const limits = await limitsOf(folders[0], names);
    const orders = new Map(names.map((name) => [name, ordering(root, name)]));
    const left = mutants.values();
    const work = async (folder) => {
      for (const mutant of left) {
        const by = await judge(folder, mutant, { limits, order: orders.get(mutant.package) });
        tell(mutant, by);
      }
    };
    await Promise.all(folders.map(work));
  } finally {
    leave();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeListener(signal, stop);
  }
}
