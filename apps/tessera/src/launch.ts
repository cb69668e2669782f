// tessera launch: ranks on this machine, as one command with one exit code.

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, isAbsolute, join, sep } from "node:path";
import { findLoopback } from "@tessera/collectives-mpi";
import { EXIT, goOnUnread, number, text, UserError } from "@tessera/config";
import { parseMpiFamily, launchEnvironment, mpirunArguments } from "@tessera/launcher";
import type { LaunchRequest, MpiFamily } from "@tessera/launcher";
import { defineLauncher } from "./command.js";
import { forwardOutput } from "./rank_output.js";
import { killTree, signalRanks } from "./signal_ranks.js";

const program = {
  name: "tessera launch",
  summary: "Runs a program as several ranks on this machine, through mpirun.",
  epilogue: "Example: tessera launch --nproc-per-node 4 -- node app.js --max_steps 10",
  groups: {
    Ranks: {
      "nproc-per-node": number("ranks to start", { min: 1, max: 4096, whole: true }, 1),
      mpirun: text("the launcher of the MPI that the engine was built with", "COMMAND", "mpirun"),
    },
  },
} as const;

export const launch = defineLauncher(program, ({ values }, words) => {
  if (words.length === 0) {
    throw new UserError("tessera launch needs a program after --, as in: -- node app.js");
  }
  checkProgram(words[0]!);
  return start(values.mpirun, {
    program: words,
    ranks: values["nproc-per-node"],
    processors: availableParallelism(),
    asRoot: process.getuid?.() === 0,
  });
});

function detectMpi(mpirun: string): MpiFamily {
  const { stdout, error } = spawnSync(mpirun, ["--version"], { encoding: "utf8" });
  const family = error === undefined ? parseMpiFamily(stdout) : null;
  if (family !== null) return family;
  throw new UserError(
    `${mpirun} is no launcher of Open MPI or MPICH on the PATH; on Debian: ` +
      "apt-get install -y openmpi-bin",
  );
}

async function start(mpirun: string, request: LaunchRequest): Promise<number> {
  goOnUnread();
  const family = detectMpi(mpirun);
  const ranks = spawn(mpirun, mpirunArguments(family, request), {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // of this terminal, whose Ctrl-C would have mpirun kill the ranks
    env: {
      ...process.env,
      ...launchEnvironment(process.env, family, request, findLoopback()),
    },
  });
  const isInterrupted = forwardSignals(ranks);
  const output = forwardOutput(ranks, process);
  const code = await new Promise<number>((resolve, reject) => {
    ranks.once("error", reject);
    ranks.once("close", (status) => resolve(status ?? EXIT.failed));
  });
  if (code !== 0 && isInterrupted()) return EXIT.interrupted;
  if (code !== 0) {
    const cause = output.finish() ?? "no rank said why";
    process.stderr.write(`tessera launch: ended with code ${code}: ${cause}\n`);
  }
  return code;
}

/** @throws UserError for a program that is neither a file nor on the PATH, of which mpirun says it in 12 lines. */
function checkProgram(name: string): void {
  const path = (process.env["PATH"] ?? "").split(delimiter);
  const folders = isAbsolute(name) ? [""] : name.includes(sep) ? ["."] : [".", ...path];
  const isThere = folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (!isThere) throw new UserError(`${name}: is no program here, nor on the PATH`);
}

/**
 * Forwards signals to the ranks, which may save before they end. A second Ctrl-C ends them at once; a second SIGTERM is
 * forwarded too, as batch systems send several. Returns a function that says whether there was a signal.
 */
function forwardSignals(mpirun: ChildProcess): () => boolean {
  const asked = new Set<NodeJS.Signals>();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      const isImpatient = name === "SIGINT" && asked.has(name);
      asked.add(name);
      if (mpirun.pid === undefined) return;
      if (isImpatient) killTree(mpirun.pid);
      // Where there are none yet, or they cannot be found.
      else if (signalRanks(mpirun.pid, name) === 0) mpirun.kill("SIGTERM");
    });
  }
  return () => asked.size > 0;
}
