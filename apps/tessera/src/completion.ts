// tessera completion: what makes a shell complete the tool's commands and flags.

import { EXIT } from "@tessera/config";
import { formatCompletion, parseShell, type CommandTree } from "@tessera/config/completion";
import { defineCommand, type Command } from "./command.js";

const program = {
  name: "tessera completion",
  summary: "Prints what makes a shell complete commands and flags: bash, zsh or fish.",
  epilogue: [
    "Examples:",
    '  eval "$(tessera completion bash)"               # in ~/.bashrc, or zsh in ~/.zshrc',
    "  tessera completion fish > ~/.config/fish/completions/tessera.fish",
    '  eval "$(tessera-gpt-ddp completion bash)"       # training programs print their own',
  ].join("\n"),
  operands: [{ name: "SHELL", help: "bash, zsh or fish" }],
  groups: {},
} as const;

/** `describe` tells the commands of the whole tool. */
export const completionCommand = (describe: () => CommandTree | Promise<CommandTree>): Command =>
  defineCommand(program, async ({ operands: [shell] }) => {
    process.stdout.write(formatCompletion(parseShell(shell), "tessera", await describe()));
    return EXIT.done;
  });
