// The command line of this machine's mpirun, and how to read what it prints.

import { threadsPerRank } from "./binding.js";
import type { Environment } from "./launchers/launcher.js";

/** Ranks to start on this machine. */
export interface LaunchRequest {
  /** The program and its arguments. */
  readonly program: readonly string[];
  readonly ranks: number;
  /** Processors of this machine, which the ranks divide. */
  readonly processors: number;
  readonly asRoot: boolean;
}

/** Implementations of MPI whose mpirun is known. */
export type MpiFamily = "Open MPI" | "MPICH";

/** The implementation that `mpirun --version` names; null for another. */
export const parseMpiFamily = (version: string): MpiFamily | null =>
  version.includes("Open MPI") || version.includes("Open RTE")
    ? "Open MPI"
    : /HYDRA|MPICH/i.test(version)
      ? "MPICH"
      : null;

/** Arguments of mpirun, with which each line that a rank prints is tagged with its rank. */
export function mpirunArguments(family: MpiFamily, request: LaunchRequest): string[] {
  const { program, ranks, asRoot } = request;
  const count = ["-n", String(ranks)];
  if (family === "MPICH") return ["-prepend-rank", ...count, ...program];
  const root = asRoot ? ["--allow-run-as-root"] : [];
  // Ranks share processors by their thread counts: a core each would leave some unused.
  return [...root, "--oversubscribe", "--bind-to", "none", "--tag-output", ...count, ...program];
}

/** Variables to add to the ranks' environment. */
export const launchEnvironment = (env: Environment, request: LaunchRequest): Environment =>
  env["OMP_NUM_THREADS"] === undefined
    ? { OMP_NUM_THREADS: String(threadsPerRank(request.ranks, request.processors)) }
    : {};

const TAG = /\[\d+,\d+\]<(?:stdout|stderr)>:/g;

/**
 * A line of mpirun's output with its rank in front: `[1,3]<stdout>:hello` is `[3] hello`. A line that a rank
 * writes in pieces has a tag before each.
 */
export const prefixRank = (line: string): string =>
  line.replace(/^\[\d+,(\d+)\]<(?:stdout|stderr)>: ?/, "[$1] ").replace(TAG, "");

/** Which rank ended the job, and why; null where the line does not say. */
export function findCause(line: string): string | null {
  const stated = /rank \d+ \(host [^)]+\): .+/.exec(line);
  if (stated !== null) return stated[0];
  const killed = /process rank (\d+) with PID \d+ on node (\S+) exited on (signal .+?)\.?$/.exec(
    line,
  );
  if (killed !== null) return `rank ${killed[1]!} (host ${killed[2]!}): ended by ${killed[3]!}`;
  // MPICH does not say which rank it was.
  const gone = /PID (\d+) RUNNING AT (\S+)/.exec(line);
  return gone === null ? null : `the rank with PID ${gone[1]!} (host ${gone[2]!}) was ended`;
}
