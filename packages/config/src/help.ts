// The text of `--help`, laid out by commander.

import { Command, Option } from "commander";
import type { Flag } from "./flag.js";
import type { FlagGroups, Program } from "./program.js";

/** Columns of the text: the terminal's, or what files and pipes are read at. */
const widthOf = ({ columns, isTTY }: { columns?: number; isTTY?: boolean }): number =>
  isTTY === true && columns !== undefined ? Math.min(Math.max(columns, 40), 120) : 80;

export function formatHelp<G extends FlagGroups>(program: Program<G>): string {
  const { name, summary, version, epilogue, groups, operands = [] } = program;
  const words = operands.map((operand) => `${operand.name}${operand.many ? "..." : ""}`);
  const command = new Command(name)
    .description(summary)
    .usage([...words, "[flags]"].join(" "))
    .configureHelp({
      helpWidth: widthOf(process.stdout),
      minWidthToWrap: 20,
      optionDescription: describe,
    });
  operands.forEach(({ help }, i) => command.argument(`<${words[i]!}>`, help));
  for (const [heading, flags] of Object.entries(groups)) {
    for (const [flagName, flag] of Object.entries(flags)) {
      command.addOption(optionOf(flagName, flag).helpGroup(`${heading}:`));
    }
  }
  if (version !== undefined) command.version(version, "-V, --version", "show the version");
  command.helpOption("-h, --help", "show this text").helpCommand(false);
  return `${command.helpInformation()}${epilogue === undefined ? "" : `\n${epilogue}\n`}`;
}

function optionOf(
  name: string,
  { placeholder, many, valueOptional, fallback, ...flag }: Flag<unknown>,
) {
  const value = `${placeholder}${many ? "..." : ""}`;
  const { help, choices } = flag;
  return new Option(
    `--${name} ${valueOptional ? `[${value}]` : `<${value}>`}`,
    choices === undefined ? help : `${help}: ${choices.join(", ")}`,
  ).default(fallback, shownDefault(fallback));
}

/** What the flag is, and its default; commander would also tell how `--x` without a value reads. */
const describe = ({ description, defaultValueDescription }: Option): string =>
  defaultValueDescription === undefined
    ? description
    : `${description} (default: ${defaultValueDescription})`;

/** Text as it is typed; nothing where there is no default, or an empty list. */
function shownDefault(fallback: unknown): string | undefined {
  if (fallback === undefined || Array.isArray(fallback)) return undefined;
  const shown = JSON.stringify(fallback);
  return shown.includes("\\") ? shown : shown.replaceAll('"', "");
}
