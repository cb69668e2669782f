// Arguments to typed values, through commander: grouped help, the nearest name for a wrong one.

import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { UserError } from "./errors.js";
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
  readonly name: string;
  readonly summary: string;
  /** Printed under the flags: examples. Default: nothing. */
  readonly epilogue?: string;
  readonly groups: G;
  /** Positional arguments, in order; only the last may be several words. Default: none. */
  readonly operands?: readonly Operand[];
}

/** A positional argument. */
export interface Operand {
  /** As the help shows it: `PREFIX`. */
  readonly name: string;
  readonly help: string;
  /** Whether it is one or more words. Default: false. */
  readonly many?: boolean;
}

/** A parsed command line. */
export interface Parsed<G extends FlagGroups> {
  readonly values: FlagValues<G>;
  readonly operands: readonly string[];
  /** Names of the flags that were given; the others have their defaults. */
  readonly given: ReadonlySet<string>;
}

/**
 * Parses `argv`, which is without the program's name: its values, or what to print for `--help`.
 * @throws UserError for an unknown flag, a missing value or operand, or one out of range.
 */
export function parseFlags<G extends FlagGroups>(
  program: Program<G>,
  argv: readonly string[],
): Parsed<G> | { readonly help: string } {
  let help = "";
  const command = commandOf(program).configureOutput({
    writeOut: (shown) => (help += shown),
    writeErr: () => undefined,
  });
  try {
    command.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.helpDisplayed") return { help };
    throw new UserError(oneSentence(error.message, program.name));
  }
  const values = command.opts<FlagValues<G>>();
  const given = Object.keys(values).filter((name) => command.getOptionValueSource(name) === "cli");
  return { values, operands: command.args, given: new Set(given) };
}

function commandOf<G extends FlagGroups>(program: Program<G>): Command {
  const { name, summary, epilogue, groups, operands = [] } = program;
  const words = operands.map((operand) => `${operand.name}${operand.many ? "..." : ""}`);
  const command = new Command(name)
    .description(summary)
    .usage([...words, "[flags]"].join(" "))
    .configureHelp({ helpWidth: 100, optionDescription: describe })
    .allowExcessArguments(false)
    .exitOverride();
  operands.forEach(({ help }, i) => command.argument(`<${words[i]!}>`, help));
  for (const [heading, flags] of Object.entries(groups)) {
    for (const [flagName, flag] of Object.entries(flags)) {
      command.addOption(optionOf(flagName, flag).helpGroup(`${heading}:`));
    }
  }
  command.helpOption("-h, --help", "show this text").helpCommand(false);
  if (epilogue !== undefined) command.addHelpText("after", `\n${epilogue}`);
  return command;
}

function optionOf(name: string, flag: Flag<unknown>): Option {
  const value = `${flag.placeholder}${flag.many ? "..." : ""}`;
  const option = new Option(
    `--${name} ${flag.valueOptional ? `[${value}]` : `<${value}>`}`,
    helpOf(flag),
  );
  const given: string[] = [];
  option.argParser((text: string) => {
    given.push(text);
    try {
      return flag.parse(flag.many ? given : [text]);
    } catch (error) {
      if (error instanceof UserError) throw new InvalidArgumentError(`It ${error.message}.`);
      throw error;
    }
  });
  if (flag.valueOptional) option.preset("true");
  // The attribute keeps the flag's own spelling; commander would turn dashes into capitals.
  option.attributeName = () => name;
  option.default(flag.fallback, shownDefault(flag.fallback));
  return option;
}

/** What the flag is, and its default; commander would also tell how `--x` without a value reads. */
const describe = ({ description, defaultValueDescription }: Option): string =>
  defaultValueDescription === undefined
    ? description
    : `${description} (default: ${defaultValueDescription})`;

function helpOf({ help, choices }: Flag<unknown>): string {
  return choices === undefined ? help : `${help}: ${choices.join(", ")}`;
}

/** Text as it is typed; nothing where there is no default, or an empty list. */
function shownDefault(fallback: unknown): string | undefined {
  if (fallback === undefined || Array.isArray(fallback)) return undefined;
  const shown = JSON.stringify(fallback);
  return shown.includes("\\") ? shown : shown.replaceAll('"', "");
}

/** Commander's message as one sentence of ours. */
function oneSentence(message: string, name: string): string {
  const plain = message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ");
  const invalid = /^option '--(\S+) .*' argument '(.*)' is invalid\. It (.*)\.$/.exec(plain);
  if (invalid) return `--${invalid[1]} ${invalid[2]}: ${invalid[3]}`;
  const unknown = /^unknown option '([^']*)'(?: \(Did you mean (.*)\?\))?/.exec(plain);
  if (unknown) {
    const nearest = unknown[2] === undefined ? "" : `, did you mean ${unknown[2]}?`;
    return `${unknown[1]} is not a flag of ${name}${nearest || "; --help lists them"}`;
  }
  const missing = /^missing required argument '(.*)'$/.exec(plain);
  if (missing) return `${missing[1]} is missing; ${name} --help says what it is`;
  return `${plain}; --help lists what ${name} takes`;
}
