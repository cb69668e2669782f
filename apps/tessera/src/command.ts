// A command of the tool, and a family of commands under one word (`tessera data info`).

import {
  EXIT,
  findNearest,
  parseFlags,
  readVersion,
  UserError,
  type FlagGroups,
  type Parsed,
  type Program,
} from "@tessera/config";
import type { CommandTree } from "@tessera/config/completion";

const version = readVersion(import.meta.url);

export interface Command {
  readonly summary: string;
  /**
   * Takes the words after the command's name. Returns an exit code.
   * @throws UserError where a word is wrong.
   */
  readonly run: (argv: readonly string[]) => number | Promise<number>;
  /** Its flags and commands. */
  readonly describe: () => CommandTree | Promise<CommandTree>;
}

/** A command that parses the flags of `program`, and shows their help or passes them to `run`. */
export const defineCommand = <const G extends FlagGroups>(
  program: Program<G>,
  run: (parsed: Parsed<G>) => number | Promise<number>,
): Command => ({
  summary: program.summary,
  describe: () => program,
  run(argv) {
    const parsed = parseFlags({ ...program, version }, argv);
    if (!("answer" in parsed)) return run(parsed);
    process.stdout.write(parsed.answer);
    return EXIT.done;
  },
});

/** A command that ends in `-- PROGRAM ARGUMENTS`; `run` gets these words as they are. */
export const defineLauncher = <const G extends FlagGroups>(
  program: Program<G>,
  run: (parsed: Parsed<G>, words: readonly string[]) => number | Promise<number>,
): Command => ({
  summary: program.summary,
  describe: () => program,
  run(argv) {
    const dashes = argv.indexOf("--");
    const [flags, words] =
      dashes < 0 ? [argv, []] : [argv.slice(0, dashes), argv.slice(dashes + 1)];
    return defineCommand(program, (parsed) => run(parsed, words)).run(flags);
  },
});

/** Commands by the word that names each. */
export type Commands = Readonly<Record<string, () => Command | Promise<Command>>>;

export interface CommandGroup {
  /** As it is typed: `tessera data`. */
  readonly name: string;
  readonly summary: string;
  /** Printed under the list of commands. Default: nothing. */
  readonly epilogue?: string;
  readonly commands: Commands;
  /** What to do instead, by words that are no commands but are tried. Default: none. */
  readonly elsewhere?: Readonly<Record<string, string>>;
}

/** A command whose next word names one of the group's. */
export const groupCommands = (group: CommandGroup): Command => ({
  summary: group.summary,
  async run([word, ...rest]) {
    if (word === undefined || word === "--help" || word === "-h") return showOverview(group, word);
    if (["--version", "-V", "-v"].includes(word)) {
      process.stdout.write(`${group.name} ${version}\n`);
      return EXIT.done;
    }
    if (word === "help") {
      return rest.length === 0
        ? showOverview(group, word)
        : (await findCommand(group, rest[0]!)).run([...rest.slice(1), "--help"]);
    }
    return (await findCommand(group, word)).run(rest);
  },
  async describe() {
    const { summary } = group;
    const entries = Object.entries(group.commands).map(
      async ([word, load]) => [word, await (await load()).describe()] as const,
    );
    return { summary, groups: {}, commands: Object.fromEntries(await Promise.all(entries)) };
  },
});

function findCommand({ name, commands, elsewhere = {} }: CommandGroup, word: string) {
  if (Object.hasOwn(commands, word)) return commands[word]!();
  const nearest = findNearest(word, [...Object.keys(commands), ...Object.keys(elsewhere)]);
  const other = nearest === undefined ? undefined : elsewhere[nearest];
  const advice =
    other ?? (nearest === undefined ? `${name} --help lists them` : `did you mean ${nearest}?`);
  throw new UserError(`${word} is not a command of ${name}; ${advice}`);
}

async function showOverview(group: CommandGroup, word: string | undefined): Promise<number> {
  const { name, summary, commands, epilogue } = group;
  const width = Math.max(...Object.keys(commands).map((each) => each.length));
  const lines = Object.entries(commands).map(
    async ([each, load]) => `  ${each.padEnd(width)}  ${(await load()).summary}`,
  );
  const list = (await Promise.all(lines)).join("\n");
  const end = epilogue === undefined ? "" : `\n${epilogue}\n`;
  process.stdout.write(
    `${summary}\n\nUsage: ${name} COMMAND [flags]\n\n${list}\n\n${name} COMMAND --help says more.\n${end}`,
  );
  return word === undefined ? EXIT.refused : EXIT.done;
}
