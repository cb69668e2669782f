// A command line as flags with their words, and operands.

import { UserError } from "./errors.js";
import type { Flag } from "./flag.js";
import { flagsOf, type FlagGroups, type Program } from "./program.js";

/** A flag on a command line. */
export interface GivenFlag {
  /** As it was typed, without dashes. */
  readonly typed: string;
  /** The name that the program has for it. */
  readonly name: string;
  readonly flag: Flag<unknown>;
  /** None where a value that may be left out was, or where one is missing. */
  readonly words: readonly string[];
}

export interface Line {
  readonly flags: readonly GivenFlag[];
  /** Words with dashes that are no flags, without their values. */
  readonly unknown: readonly string[];
  readonly operands: readonly string[];
  readonly asks: "help" | "version" | null;
}

const isFlag = (word: string): boolean => /^--[^-]/.test(word);
const QUESTIONS: Readonly<Record<string, "help" | "version">> = {
  "-h": "help",
  "--help": "help",
  "-V": "version",
  "-v": "version",
  "--version": "version",
};

/** Takes `argv` apart. Values are not looked at, but to tell those of switches from operands. */
export function readWords<G extends FlagGroups>(
  program: Program<G>,
  argv: readonly string[],
): Line {
  const find = finderOf(program);
  const hasOperands = (program.operands ?? []).length > 0;
  const flags: GivenFlag[] = [];
  const [unknown, operands]: [string[], string[]] = [[], []];
  let asks: Line["asks"] = null;
  for (let at = 0; at < argv.length;) {
    const word = argv[at++]!;
    if (word === "--") {
      operands.push(...argv.slice(at));
      break;
    }
    const [typed, inline] = splitFlag(word);
    const found = find(typed);
    if (found !== undefined && isFlag(word)) {
      const { name, flag, implied = inline } = found;
      const count = implied === undefined ? countWords(flag, argv.slice(at), hasOperands) : 0;
      const words = implied === undefined ? argv.slice(at, at + count) : [implied];
      at += count;
      flags.push({ typed, name, flag, words });
    } else if (Object.hasOwn(QUESTIONS, word)) asks ??= QUESTIONS[word]!;
    else if (word.startsWith("-") && word !== "-") {
      unknown.push(word.split("=")[0]!);
      // Its values are no operands, and would be one more complaint each.
      if (!hasOperands) at += countUntilFlag(argv.slice(at));
    } else operands.push(word);
  }
  return { flags, unknown, operands, asks };
}

function splitFlag(word: string): readonly [typed: string, inline: string | undefined] {
  const at = word.indexOf("=");
  return at < 0 ? [word.slice(2), undefined] : [word.slice(2, at), word.slice(at + 1)];
}

function countUntilFlag(words: readonly string[]): number {
  const end = words.findIndex(isFlag);
  return end < 0 ? words.length : end;
}

/** How many of the words that follow a flag are its values. */
function countWords(flag: Flag<unknown>, rest: readonly string[], hasOperands: boolean): number {
  const own = rest.slice(0, countUntilFlag(rest));
  const [first] = own;
  if (first === undefined || first === "--") return 0;
  if (flag.many) return own.includes("--") ? own.indexOf("--") : own.length;
  // A value that may be left out is told from an operand by being one.
  return flag.valueOptional && hasOperands && !canBe(flag, first) ? 0 : 1;
}

function canBe(flag: Flag<unknown>, word: string): boolean {
  try {
    flag.parse([word]);
    return true;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}

interface Found {
  readonly name: string;
  readonly flag: Flag<unknown>;
  /** The value that the name stands for: `--no_x` is `--x false`, as in Hugging Face's programs. */
  readonly implied?: string;
}

/** Dashes and underscores are alike: programs differ in them, and Hugging Face's take both. */
const normalize = (name: string): string => name.replaceAll("_", "-");

/** A function that finds a flag by its name, by one of its other names, or by `no-` and the name of a switch. */
function finderOf<G extends FlagGroups>({ groups, aliases = {}, foreign = {} }: Program<G>) {
  const flags = { ...flagsOf(groups), ...foreign };
  const names = new Map([
    ...Object.keys(flags).map((name) => [normalize(name), name] as const),
    ...Object.entries(aliases).map(([alias, name]) => [normalize(alias), name] as const),
  ]);
  const lookUp = (typed: string): string | undefined =>
    Object.hasOwn(flags, typed) ? typed : names.get(normalize(typed));
  return (typed: string): Found | undefined => {
    const name = lookUp(typed);
    if (name !== undefined) return { name, flag: flags[name]! };
    const positive = /^no[-_](.+)$/.exec(typed)?.[1];
    const switched = positive === undefined ? undefined : lookUp(positive);
    if (switched === undefined || flags[switched]!.placeholder !== "BOOL") return undefined;
    return { name: switched, flag: flags[switched]!, implied: "false" };
  };
}
