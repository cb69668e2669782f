// A command of the tool, and a family of commands under one word (`tessera data info`).

import {
  EXIT,
  parseFlags,
  UserError,
  type FlagGroups,
  type Parsed,
  type Program,
} from "@tessera/config";

export interface Command {
  readonly summary: string;
  /**
   * Takes the words after the command's name. Returns an exit code.
   * @throws UserError where a word is wrong.
   */
  readonly run: (argv: readonly string[]) => number | Promise<number>;
}

/** A command that parses the flags of `program`, and shows their help or passes them to `run`. */
export const defineCommand = <const G extends FlagGroups>(
  program: Program<G>,
  run: (parsed: Parsed<G>) => number | Promise<number>,
): Command => ({
  summary: program.summary,
  run(argv) {
    const parsed = parseFlags(program, argv);
    if (!("help" in parsed)) return run(parsed);
    process.stdout.write(parsed.help);
    return EXIT.done;
  },
});

/** A command that ends in `-- PROGRAM ARGUMENTS`; `run` gets these words as they are. */
export const defineLauncher = <const G extends FlagGroups>(
  program: Program<G>,
  run: (parsed: Parsed<G>, words: readonly string[]) => number | Promise<number>,
): Command => ({
  summary: program.summary,
  run(argv) {
    const dashes = argv.indexOf("--");
    const [flags, words] =
      dashes < 0 ? [argv, []] : [argv.slice(0, dashes), argv.slice(dashes + 1)];
    return defineCommand(program, (parsed) => run(parsed, words)).run(flags);
  },
});

/** Commands by the word that names each. */
export type Commands = Readonly<Record<string, () => Command | Promise<Command>>>;

/** A command whose next word names one of `commands`. */
export const groupCommands = (name: string, summary: string, commands: Commands): Command => ({
  summary,
  async run([word, ...rest]) {
    if (word === undefined || word === "--help" || word === "-h" || word === "help") {
      process.stdout.write(await overview(name, summary, commands));
      return word === undefined ? EXIT.refused : EXIT.done;
    }
    if (!Object.hasOwn(commands, word)) {
      throw new UserError(`${word} is not a command of ${name}; ${name} --help lists them`);
    }
    return (await commands[word]!()).run(rest);
  },
});

async function overview(name: string, summary: string, commands: Commands): Promise<string> {
  const width = Math.max(...Object.keys(commands).map((word) => word.length));
  const lines = Object.entries(commands).map(
    async ([word, load]) => `  ${word.padEnd(width)}  ${(await load()).summary}`,
  );
  const list = (await Promise.all(lines)).join("\n");
  return `${summary}\n\nUsage: ${name} COMMAND [flags]\n\n${list}\n\n${name} COMMAND --help says more.\n`;
}
