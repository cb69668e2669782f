// Completion of command lines in shells, as scripts that are made from tables of flags.

import { UserError } from "./errors.js";
import type { Flag } from "./flag.js";
import { flagsOf, type FlagGroups } from "./program.js";

const shells = ["bash", "zsh", "fish"] as const;
type Shell = (typeof shells)[number];

/**
 * The shell that a user named, for which completion is written.
 * @throws UserError for the name of another shell.
 */
export function parseShell(name: string | undefined): Shell {
  const shell = shells.find((one) => one === name);
  if (shell !== undefined) return shell;
  throw new UserError(`completion ${name ?? ""}: must be one of ${shells.join(", ")}`);
}

/** What may stand behind a command's name. */
export interface CommandTree {
  readonly summary: string;
  readonly groups: FlagGroups;
  /** Commands by the word that names each. Default: none. */
  readonly commands?: Readonly<Record<string, CommandTree>>;
}

/** A script for `shell` that completes the words behind `name`. Files are offered wherever nothing else is. */
export function formatCompletion(shell: Shell, name: string, tree: CommandTree): string {
  switch (shell) {
    case "bash":
      return formatBash(name, tree);
    case "zsh":
      return `autoload -U +X bashcompinit && bashcompinit\n${formatBash(name, tree)}`;
    case "fish":
      return formatFish(name, tree);
  }
}

type Place = readonly [path: string, tree: CommandTree];

/** The tree and all below it, with the words that lead to each: "", "data", "data info". */
const placesIn = (tree: CommandTree, path = ""): readonly Place[] => [
  [path, tree],
  ...Object.entries(tree.commands ?? {}).flatMap(([word, child]) =>
    placesIn(child, `${path} ${word}`.trim()),
  ),
];

const namedFlags = ({ groups }: CommandTree): (readonly [name: string, flag: Flag<unknown>])[] =>
  Object.entries(flagsOf(groups));

function formatBash(name: string, tree: CommandTree): string {
  const places = placesIn(tree);
  const call = `_${name.replaceAll("-", "_")}`;
  const paths = places
    .filter(([path]) => path !== "")
    .map(([path]) => `    "${path}") path="$next";;`);
  const values = places.flatMap(([path, each]) =>
    namedFlags(each).flatMap(([flag, { choices }]) =>
      choices === undefined ? [] : [`    "${path}:--${flag}") words="${choices.join(" ")}";;`],
    ),
  );
  const words = places.map(
    ([path, each]) => `    "${path}:"*) words="${wordsOf(each).join(" ")}";;`,
  );
  return `${call}() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" path="" next word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in
${paths.map((line) => `  ${line}`).join("\n") || '      "") ;;'}
    esac
  done
  case "$path:$prev" in
${[...values, ...words].join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F ${call} ${name}
`;
}

const wordsOf = (tree: CommandTree): string[] => [
  ...Object.keys(tree.commands ?? {}),
  ...namedFlags(tree).map(([flag]) => `--${flag}`),
  "--help",
];

const quote = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

function formatFish(name: string, tree: CommandTree): string {
  const lines = placesIn(tree).flatMap(([path, each]) => {
    const commands = Object.keys(each.commands ?? {});
    const seen =
      path === "" ? [] : path.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`);
    const before =
      commands.length === 0 ? [] : [`not __fish_seen_subcommand_from ${commands.join(" ")}`];
    const condition = [...seen, ...before].join("; and ");
    const start = `complete -c ${name}${condition === "" ? "" : ` -n ${quote(condition)}`}`;
    return [
      ...Object.entries(each.commands ?? {}).map(
        ([word, { summary }]) => `${start} -f -a ${word} -d ${quote(summary)}`,
      ),
      ...namedFlags(each).map(([flag, { help, choices, valueOptional }]) => {
        const value =
          choices === undefined
            ? valueOptional
              ? ""
              : " -r"
            : ` -x -a ${quote(choices.join(" "))}`;
        return `${start} -l ${flag}${value} -d ${quote(help)}`;
      }),
    ];
  });
  return `${lines.join("\n")}\n`;
}
