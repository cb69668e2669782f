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
  /** All of it, as it is typed: `tessera data info`. */
  readonly name: string;
  readonly summary: string;
  /** Takes what stands after the command's name; returns an exit code, throws a UserError. */
  readonly run: (argv: readonly string[]) => number | Promise<number>;
}

/** The command of a program's flags, which shows their help or gives them to `run`. */
export const commandOf = <const G extends FlagGroups>(
  program: Program<G>,
  run: (parsed: Parsed<G>) => number | Promise<number>,
): Command => ({
  name: program.name,
  summary: program.summary,
  run(argv) {
    const parsed = parseFlags(program, argv);
    if (!("help" in parsed)) return run(parsed);
    process.stdout.write(parsed.help);
    return EXIT.done;
  },
});

const lastWord = ({ name }: Command): string => name.split(" ").at(-1)!;

/** The command that runs the one of `commands` that the next word names. */
export const family = (name: string, summary: string, commands: readonly Command[]): Command => ({
  name,
  summary,
  run([word, ...rest]) {
    if (word === undefined || word === "--help" || word === "-h" || word === "help") {
      process.stdout.write(overview(name, summary, commands));
      return word === undefined ? EXIT.refused : EXIT.done;
    }
    const chosen = commands.find((command) => lastWord(command) === word);
    if (chosen === undefined) {
      throw new UserError(`${word} is not a command of ${name}; ${name} --help lists them`);
    }
    return chosen.run(rest);
  },
});

function overview(name: string, summary: string, commands: readonly Command[]): string {
  const width = Math.max(...commands.map((command) => lastWord(command).length));
  const lines = commands.map(
    (command) => `  ${lastWord(command).padEnd(width)}  ${command.summary}`,
  );
  return `${summary}\n\nUsage: ${name} COMMAND [flags]\n\n${lines.join("\n")}\n\n${name} COMMAND --help tells more.\n`;
}
