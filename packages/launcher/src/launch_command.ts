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
  // As mpirun, orterun and Debian's mpirun.openmpi say it.
  /Open ?MPI|Open ?RTE/.test(version) ? "Open MPI" : /HYDRA|MPICH/i.test(version) ? "MPICH" : null;

/** Arguments of mpirun, with which each line that a rank prints is tagged with its rank. */
export function mpirunArguments(family: MpiFamily, request: LaunchRequest): string[] {
  const { program, ranks, asRoot } = request;
  const count = ["-n", String(ranks)];
  if (family === "MPICH") return ["-prepend-rank", "-iface", "lo", ...count, ...program];
  const root = asRoot ? ["--allow-run-as-root"] : [];
  // Ranks share processors by their thread counts: a core each would leave some unused.
  return [...root, "--oversubscribe", "--bind-to", "none", "--tag-output", ...count, ...program];
}

/**
 * What keeps the ranks of one host to its memory and its loopback address: else they listen for others on every
 * network. A variable that an implementation does not know is none to it.
 */
const LOOPBACK: Readonly<Record<MpiFamily, Environment>> = {
  "Open MPI": {
    OMPI_MCA_pml: "ob1",
    OMPI_MCA_btl: "self,vader",
    OMPI_MCA_oob_tcp_if_include: "127.0.0.0/8",
    PRTE_MCA_prte_if_include: "127.0.0.0/8",
    PMIX_MCA_ptl_tcp_if_include: "127.0.0.0/8",
  },
  MPICH: { UCX_NET_DEVICES: "lo", FI_TCP_IFACE: "lo", FI_SOCKETS_IFACE: "lo" },
};

/**
 * Variables to add to those of mpirun, which its ranks get too. What `env` says already stays.
 * @param preload a library to preload into mpirun alone; null for none.
 */
export function launchEnvironment(
  env: Environment,
  family: MpiFamily,
  { ranks, processors }: LaunchRequest,
  preload: string | null,
): Environment {
  const wanted: Environment = {
    ...LOOPBACK[family],
    OMP_NUM_THREADS: String(threadsPerRank(ranks, processors)),
    ...(preload !== null && { LD_PRELOAD: preload }),
  };
  return Object.fromEntries(Object.entries(wanted).filter(([name]) => env[name] === undefined));
}

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
