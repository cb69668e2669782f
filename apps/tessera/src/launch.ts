// tessera launch: ranks on this machine, as one command with one exit code.

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { EXIT, number, text, UserError } from "@tessera/config";
import {
  findCause,
  parseMpiFamily,
  launchEnvironment,
  mpirunArguments,
  prefixRank,
} from "@tessera/launcher";
import type { LaunchRequest, MpiFamily } from "@tessera/launcher";
import { defineLauncher } from "./command.js";

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
  const ranks = spawn(mpirun, mpirunArguments(detectMpi(mpirun), request), {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...launchEnvironment(process.env, request) },
  });
  const isInterrupted = forwardSignals(ranks);
  const causes: string[] = [];
  const collectCause = (line: string): void => {
    const cause = findCause(line);
    if (cause !== null) causes.push(cause);
  };
  forwardLines(ranks.stdout, process.stdout, collectCause);
  forwardLines(ranks.stderr, process.stderr, collectCause);
  const code = await new Promise<number>((resolve, reject) => {
    ranks.once("error", reject);
    ranks.once("close", (status) => resolve(status ?? EXIT.failed));
  });
  if (isInterrupted()) return EXIT.interrupted;
  if (code !== 0) {
    const [cause = "no rank said why"] = causes;
    process.stderr.write(`tessera launch: ended with code ${code}: ${cause}\n`);
  }
  return code;
}

function forwardLines(from: Readable, to: Writable, onLine: (line: string) => void): void {
  createInterface({ input: from, crlfDelay: Infinity }).on("line", (line) => {
    onLine(line);
    to.write(`${prefixRank(line)}\n`);
  });
}

/**
 * Forwards signals to mpirun, which Ctrl-C reaches anyway, but not a signal to this process alone. The second one
 * kills. Returns a function that says whether there was one.
 */
function forwardSignals(ranks: ChildProcess): () => boolean {
  let count = 0;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      count += 1;
      ranks.kill(count === 1 ? "SIGTERM" : "SIGKILL");
    });
  }
  return () => count > 0;
}
