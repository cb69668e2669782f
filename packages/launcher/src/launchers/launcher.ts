// How a launcher tells a process its rank: in the environment, each under names of its own.

import { UserError } from "@tessera/config";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Launcher {
  /** As messages name it: "Open MPI". */
  readonly name: string;
  /** Variables that hold the rank in the job, and the number of ranks. A process is a rank if the latter is set. */
  readonly rank: string;
  readonly size: string;
  /** Variables for the rank among those of its node, and for their number; the first that is set counts. */
  readonly localRank: readonly string[];
  readonly localSize: readonly string[];
  /**
   * Launchers that may have started this one's daemons: their variables, which ranks inherit, then describe the
   * daemons. Default: none; a launcher's variables must agree with all others that are set.
   */
  readonly startedBy?: readonly string[];
}

export const isSet = (env: Environment, name: string): boolean => (env[name] ?? "") !== "";

/** @throws UserError where the variable `name` is no whole number. */
export function readCount(env: Environment, name: string): number {
  const text = env[name] ?? "";
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UserError(`${name} is "${text}", must be a whole number`);
}
