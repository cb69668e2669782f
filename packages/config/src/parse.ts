// Arguments to typed values. All that is wrong with a line is told at once.

import { formatCompletion, parseShell } from "./completion.js";
import { UserError } from "./errors.js";
import { formatHelp } from "./help.js";
import { findNearest } from "./nearest.js";
import { flagsOf, type FlagGroups, type FlagValues, type Program } from "./program.js";
import { readWords, type GivenFlag, type Line } from "./read_words.js";

/** A parsed command line. */
export interface Parsed<G extends FlagGroups> {
  readonly values: FlagValues<G>;
  readonly operands: readonly string[];
  /** Names of the flags that were given; the others have their defaults. */
  readonly given: ReadonlySet<string>;
  /** Flags of other programs that were given, and change nothing here. */
  readonly idle: readonly string[];
}

/**
 * Parses `argv`, which is without the program's name: its values, or the answer to `--help`, `--version` or
 * `completion SHELL`.
 * @throws UserError for unknown flags, missing values or operands, and values out of range: all of them.
 */
export function parseFlags<G extends FlagGroups>(
  program: Program<G>,
  argv: readonly string[],
): Parsed<G> | { readonly answer: string } {
  const { name, version, groups, foreign = {} } = program;
  // A command of a tool leaves this word to the tool.
  if (argv[0] === "completion" && !name.includes(" ") && program.operands === undefined) {
    return { answer: formatCompletion(parseShell(argv[1]), name, program) };
  }
  const line = readWords(program, argv);
  if (line.asks === "help") return { answer: formatHelp(program) };
  if (line.asks === "version" && version !== undefined) return { answer: `${name} ${version}\n` };
  const mistakes = line.unknown.map((word) => describeUnknown(program, word));
  const values = new Map<string, unknown>(
    Object.entries(flagsOf(groups)).map(([each, flag]) => [each, flag.fallback]),
  );
  const idle: string[] = [];
  for (const given of mergeRepeated(line.flags)) {
    try {
      const value = parseFlag(given);
      if (Object.hasOwn(foreign, given.name)) idle.push(given.typed);
      else values.set(given.name, value);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      mistakes.push(error.message);
    }
  }
  mistakes.push(...describeOperands(program, line));
  if (mistakes.length === 1) throw new UserError(mistakes[0]);
  if (mistakes.length > 1) {
    throw new UserError(
      `${mistakes.length} mistakes:\n${mistakes.map((one) => `  ${one}`).join("\n")}`,
    );
  }
  return {
    values: Object.fromEntries(values) as FlagValues<G>,
    operands: line.operands,
    given: new Set(line.flags.map((flag) => flag.name).filter((each) => values.has(each))),
    idle,
  };
}

/** Of a flag that is repeated the last use counts, or all words where it takes several. */
function mergeRepeated(flags: readonly GivenFlag[]): readonly GivenFlag[] {
  const merged = new Map<string, GivenFlag>();
  for (const given of flags) {
    const { name, flag } = given;
    const before = flag.many ? (merged.get(name)?.words ?? []) : [];
    merged.set(name, { ...given, words: [...before, ...given.words] });
  }
  return [...merged.values()];
}

function parseFlag({ typed, flag, words }: GivenFlag): unknown {
  if (words.length === 0 && !flag.valueOptional) {
    throw new UserError(`--${typed}: needs a value (${flag.placeholder})`);
  }
  try {
    return flag.parse(words.length === 0 && !flag.many ? ["true"] : words);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const shown = flag.isSecret ? [] : words;
    throw new UserError(`${[`--${typed}`, ...shown].join(" ").trimEnd()}: ${error.message}`);
  }
}

function describeUnknown<G extends FlagGroups>(program: Program<G>, word: string): string {
  const { name, groups, aliases = {}, foreign = {} } = program;
  const known = [flagsOf(groups), aliases, foreign].flatMap((flags) => Object.keys(flags));
  const nearest = findNearest(word.replace(/^-+/, ""), known);
  const advice = nearest === undefined ? "; --help lists them" : `, did you mean --${nearest}?`;
  return `${word} is not a flag of ${name}${advice}`;
}

/** What is wrong with the number of operands. A flag that is not known may have taken some for its values. */
function describeOperands<G extends FlagGroups>(
  { name, operands: wanted = [], strayFlag }: Program<G>,
  { operands, unknown }: Line,
): string[] {
  if (unknown.length > 0) return [];
  const missing = wanted.slice(operands.length).map((operand) => operand.name);
  if (missing.length > 0)
    return [`${missing.join(", ")} is missing; ${name} --help says what it is`];
  if (wanted.at(-1)?.many) return [];
  const advice =
    strayFlag === undefined ? `${name} --help lists the flags` : `--${strayFlag} FILE?`;
  return operands
    .slice(wanted.length)
    .map((word) => `${word}: belongs to no flag; ${advice.replace("FILE", word)}`);
}
