// tessera launch: ranks on this machine, as one command with one exit code.

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { EXIT, number, parseFlags, text, UserError } from "@tessera/config";
import {
  findCause,
  parseMpiFamily,
  launchEnvironment,
  mpirunArguments,
  prefixRank,
} from "@tessera/launcher";
import type { LaunchRequest, MpiFamily } from "@tessera/launcher";
import type { Command } from "./command.js";

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

export const launch: Command = {
  summary: program.summary,
  run(argv) {
    const cut = argv.indexOf("--");
    const parsed = parseFlags(program, cut < 0 ? argv : argv.slice(0, cut));
    if ("help" in parsed) {
      process.stdout.write(parsed.help);
      return EXIT.done;
    }
    const command = cut < 0 ? [] : argv.slice(cut + 1);
    if (command.length === 0) {
      throw new UserError("tessera launch needs a program after --, as in: -- node app.js");
    }
    return start(parsed.values.mpirun, {
      program: command,
      ranks: parsed.values["nproc-per-node"],
      processors: availableParallelism(),
      asRoot: process.getuid?.() === 0,
    });
  },
};

function familyBehind(mpirun: string): MpiFamily {
  const { stdout, error } = spawnSync(mpirun, ["--version"], { encoding: "utf8" });
  const family = error === undefined ? parseMpiFamily(stdout) : null;
  if (family !== null) return family;
  throw new UserError(
    `${mpirun} is no launcher of Open MPI or MPICH on the PATH; on Debian: ` +
      "apt-get install -y openmpi-bin",
  );
}

async function start(mpirun: string, request: LaunchRequest): Promise<number> {
  const ranks = spawn(mpirun, mpirunArguments(familyBehind(mpirun), request), {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...launchEnvironment(process.env, request) },
  });
  const interrupted = passSignalsTo(ranks);
  const causes: string[] = [];
  const note = (line: string): void => {
    const cause = findCause(line);
    if (cause !== null) causes.push(cause);
  };
  passLines(ranks.stdout, process.stdout, note);
  passLines(ranks.stderr, process.stderr, note);
  const code = await new Promise<number>((resolve, reject) => {
    ranks.once("error", reject);
    ranks.once("close", (status) => resolve(status ?? EXIT.failed));
  });
  if (interrupted()) return EXIT.interrupted;
  if (code !== 0) {
    const [cause = "no rank said why"] = causes;
    process.stderr.write(`tessera launch: ended with code ${code}: ${cause}\n`);
  }
  return code;
}

function passLines(from: Readable, to: Writable, note: (line: string) => void): void {
  createInterface({ input: from, crlfDelay: Infinity }).on("line", (line) => {
    note(line);
    to.write(`${prefixRank(line)}\n`);
  });
}

/** Ctrl-C reaches mpirun by itself; other senders only know this process. The second one kills. */
function passSignalsTo(ranks: ChildProcess): () => boolean {
  let count = 0;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      count += 1;
      ranks.kill(count === 1 ? "SIGTERM" : "SIGKILL");
    });
  }
  return () => count > 0;
}
