// How a launcher tells a process its rank: in the environment, each under names of its own.

import { UserError } from "@tessera/config";

/** Variables of a process, like `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where several variables are named, the first that is set counts. */
export interface Launcher {
  /** As messages name it: "Open MPI". */
  readonly name: string;
  /** Variable of the rank in the job. A process is a rank if it is set. */
  readonly rank: string;
  /** Variables of the number of ranks; none where the launcher leaves that to MPI. */
  readonly size: readonly string[];
  /** Variables of the rank among those of its node. */
  readonly localRank: readonly string[];
  /** Variables of the number of ranks of this node. */
  readonly localSize: readonly string[];
  /** Variable of the number of nodes, where the launcher tells that in place of `localSize`. */
  readonly nodeCount?: string;
  /** Variable that must be set too, where launchers share the name of the rank. */
  readonly sign?: string;
  /** Whether a rank without `localRank` is the only one of its node. Default: false. */
  readonly onePerNode?: boolean;
  /** Whether MPI programs that it starts find each other. Default: true. */
  readonly startsMpi?: boolean;
  /**
   * Launchers that may have started this one's daemons: their variables, which ranks inherit, then describe the
   * daemons. Default: none; a launcher's variables must agree with all others that are set.
   */
  readonly startedBy?: readonly string[];
}

export const isSet = (env: Environment, name: string): boolean => (env[name] ?? "") !== "";

/** The first of `names` that is set. */
export const findSet = (env: Environment, names: readonly string[]): string | undefined =>
  names.find((name) => isSet(env, name));

/** @throws UserError where the variable `name` is no whole number. */
export function readCount(env: Environment, name: string): number {
  const text = env[name] ?? "";
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UserError(`${name} is "${text}", must be a whole number`);
}
