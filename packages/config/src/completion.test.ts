// What shells offer behind a tool with commands and flags, asked of the shells themselves.

import { execFileSync } from "node:child_process";
import { expect, test } from "@jest/globals";
import { formatCompletion } from "./completion.js";
import { choice, number, parseFlags, toggle, UserError } from "./index.js";

const tree = {
  summary: "A tool.",
  groups: {},
  commands: {
    serve: {
      summary: "Serves, as it's said.",
      groups: { Run: { engine: choice("which", ["onnx", "native"]), port: number("a port", {}) } },
    },
    data: {
      summary: "Data.",
      groups: {},
      commands: { info: { summary: "Shows.", groups: { Run: { json: toggle("JSON", false) } } } },
    },
  },
};

const ask = (words: readonly string[]): string[] => {
  const line = words.map((word) => `'${word}'`).join(" ");
  const script = `${formatCompletion("bash", "my-tool", tree)}
    COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _my_tool; echo "\${COMPREPLY[@]}"`;
  return execFileSync("bash", ["-c", script], { encoding: "utf8" }).trim().split(" ");
};

test.each([
  [
    ["my-tool", ""],
    ["serve", "data", "--help"],
  ],
  [["my-tool", "se"], ["serve"]],
  [
    ["my-tool", "data", ""],
    ["info", "--help"],
  ],
  [
    ["my-tool", "data", "info", "--"],
    ["--json", "--help"],
  ],
  [["my-tool", "serve", "--port", "1", "--e"], ["--engine"]],
  [
    ["my-tool", "serve", "--engine", ""],
    ["onnx", "native"],
  ],
  [["my-tool", "serve", "--engine", "na"], ["native"]],
])("bash: %j", (words, offered) => {
  expect(ask(words)).toEqual(offered);
});

test("zsh takes bash's script, and fish gets one line for each word", () => {
  expect(formatCompletion("zsh", "t", tree)).toContain(formatCompletion("bash", "t", tree));
  const lines = formatCompletion("fish", "t", tree).trim().split("\n");
  expect(lines).toHaveLength(6);
  expect(lines[0]).toBe(
    "complete -c t -n 'not __fish_seen_subcommand_from serve data' -f -a serve -d 'Serves, as it\\'s said.'",
  );
});

test("a program without operands prints its own", () => {
  const program = {
    name: "my-app",
    summary: "Runs.",
    groups: { Run: { fast: toggle("fast", false) } },
  };
  const printed = parseFlags(program, ["completion", "bash"]);
  expect("answer" in printed && printed.answer).toContain(
    "complete -o default -F _my_app my-app\n",
  );
  expect(() => parseFlags(program, ["completion", "csh"])).toThrow(
    new UserError("completion csh: must be one of bash, zsh, fish"),
  );
});
