// How this machine's MPI starts ranks, and what it says of them.

import { threadsFor } from "./binding.js";
import type { Environment } from "./resolve_world.js";

export interface LaunchRequest {
  /** The program and its arguments. */
  readonly program: readonly string[];
  readonly ranks: number;
  /** Processors of this machine, shared out among the ranks. */
  readonly processors: number;
  readonly asRoot: boolean;
}

/** The launchers that are known, by what `mpirun --version` prints. */
export type MpiFamily = "Open MPI" | "MPICH";

export const familyOf = (version: string): MpiFamily | null =>
  version.includes("Open MPI") || version.includes("Open RTE")
    ? "Open MPI"
    : /HYDRA|MPICH/i.test(version)
      ? "MPICH"
      : null;

/** The arguments of mpirun. Each line that a rank prints is marked with its rank. */
export function mpirunArguments(family: MpiFamily, request: LaunchRequest): string[] {
  const { program, ranks, asRoot } = request;
  const count = ["-n", String(ranks)];
  if (family === "MPICH") return ["-prepend-rank", ...count, ...program];
  const root = asRoot ? ["--allow-run-as-root"] : [];
  // Ranks share processors by their thread counts: a core each would leave some unused.
  return [...root, "--oversubscribe", "--bind-to", "none", "--tag-output", ...count, ...program];
}

/** What the ranks' environment has beside this one's. */
export const launchEnvironment = (env: Environment, request: LaunchRequest): Environment =>
  env["OMP_NUM_THREADS"] === undefined
    ? { OMP_NUM_THREADS: String(threadsFor(request.ranks, request.processors)) }
    : {};

const TAG = /\[\d+,\d+\]<(?:stdout|stderr)>:/g;

/**
 * A line of mpirun's output with its rank in front: `[1,3]<stdout>:hello` is `[3] hello`. A line that a rank
 * writes in pieces has a tag before each.
 */
export const prefixed = (line: string): string =>
  line.replace(/^\[\d+,(\d+)\]<(?:stdout|stderr)>: ?/, "[$1] ").replace(TAG, "");

/** Who ended the job and why, where the line says so. */
export function causeIn(line: string): string | null {
  const told = /rank \d+ \(host [^)]+\): .+/.exec(line);
  if (told !== null) return told[0];
  const killed = /process rank (\d+) with PID \d+ on node (\S+) exited on (signal .+?)\.?$/.exec(
    line,
  );
  if (killed !== null) return `rank ${killed[1]!} (host ${killed[2]!}): ended by ${killed[3]!}`;
  // MPICH does not say which rank it was.
  const gone = /PID (\d+) RUNNING AT (\S+)/.exec(line);
  return gone === null ? null : `the rank with PID ${gone[1]!} (host ${gone[2]!}) was ended`;
}
