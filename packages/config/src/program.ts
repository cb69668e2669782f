// What a command-line program says of itself.

import type { Flag } from "./flag.js";

/** Flags by their heading in the help, then by name. */
export type FlagGroups = Readonly<Record<string, Readonly<Record<string, Flag<unknown>>>>>;

type ValueOf<F> = F extends Flag<infer T> ? T : never;
type Union<G> = { [H in keyof G]: { [N in keyof G[H]]: ValueOf<G[H][N]> } }[keyof G];
type Merge<U> = (U extends unknown ? (u: U) => void : never) extends (m: infer M) => void
  ? M
  : never;

/** The values of all groups, by flag name. */
export type FlagValues<G extends FlagGroups> = Readonly<Merge<Union<G>>>;

/** A command-line program: its name, flags and operands. */
export interface Program<G extends FlagGroups> {
  /** As it is typed: `tessera data info`. */
  readonly name: string;
  readonly summary: string;
  /** What `--version` prints behind the name. Default: there is no `--version`. */
  readonly version?: string;
  /** Printed under the flags: examples. Default: nothing. */
  readonly epilogue?: string;
  readonly groups: G;
  /** Flags of other programs that are taken too, as `foreign.ts` makes them; the help leaves them out. Default: none. */
  readonly foreign?: Readonly<Record<string, Flag<unknown>>>;
  /** Flags by other names that mean the same elsewhere: `save_total_limit: "keep"`. Default: none. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Positional arguments, in order; only the last may be several words. Default: none. */
  readonly operands?: readonly Operand[];
  /** The flag that a word without one is likely meant for. Default: none. */
  readonly strayFlag?: string;
}

/** A positional argument. */
export interface Operand {
  /** As the help shows it: `PREFIX`. */
  readonly name: string;
  readonly help: string;
  /** Whether it is one or more words. Default: false. */
  readonly many?: boolean;
}

/** All flags of a program that has these groups. */
export const flagsOf = (groups: FlagGroups): Readonly<Record<string, Flag<unknown>>> =>
  Object.assign({}, ...Object.values(groups)) as Readonly<Record<string, Flag<unknown>>>;
