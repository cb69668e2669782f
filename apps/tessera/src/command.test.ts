// Families of commands: help, versions, and words that are no commands.

import { expect, jest, test } from "@jest/globals";
import { toggle, UserError } from "@tessera/config";
import { defineCommand, groupCommands } from "./command.js";

const info = defineCommand(
  {
    name: "demo data info",
    summary: "Shows a dataset.",
    operands: [{ name: "PREFIX", help: "the dataset" }],
    groups: { Output: { json: toggle("as JSON", false) } },
  },
  ({ operands, values }) => {
    process.stdout.write(`${operands[0]!} ${values.json}\n`);
    return 0;
  },
);
const data = groupCommands({
  name: "demo data",
  summary: "Looks at datasets.",
  commands: { info: () => info },
});
const demo = groupCommands({
  name: "demo",
  summary: "A tool.",
  epilogue: "It does not train.",
  commands: { data: () => data, serve: () => info },
  elsewhere: { train: "demo-train trains" },
});

async function run(line: string): Promise<{ code: number; printed: string }> {
  let printed = "";
  const write = jest.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  try {
    return { code: await demo.run(line.split(" ").filter(Boolean)), printed };
  } finally {
    write.mockRestore();
  }
}

test.each([
  ["data info --json corpus", "corpus true\n"],
  ["data info corpus --json", "corpus true\n"],
  ["data info corpus", "corpus false\n"],
])("%s", async (line, printed) => {
  expect(await run(line)).toEqual({ code: 0, printed });
});

test.each([
  ["help data info", "data info --help"],
  ["data help info", "data info --help"],
  ["help data", "data --help"],
  ["help", "--help"],
])("%s is %s", async (line, other) => {
  const { code, printed } = await run(line);
  expect(code).toBe(0);
  expect({ code, printed }).toEqual(await run(other));
});

test("no word at all shows the commands, and refuses", async () => {
  expect(await run("")).toEqual({ code: 2, printed: (await run("--help")).printed });
});

test.each(["--version", "-V", "data --version", "data info --version"])("%s", async (line) => {
  const { code, printed } = await run(line);
  expect(code).toBe(0);
  expect(printed).toMatch(/^demo( data)?( info)? \d+\.\d+\.\d+\n$/);
});

test.each([
  ["trian", "trian is not a command of demo; demo-train trains"],
  ["train --max_steps 3", "train is not a command of demo; demo-train trains"],
  ["sevre", "sevre is not a command of demo; did you mean serve?"],
  ["zebra", "zebra is not a command of demo; demo --help lists them"],
  ["help trian", "trian is not a command of demo; demo-train trains"],
  ["data inf", "inf is not a command of demo data; did you mean info?"],
])("%s", async (line, message) => {
  await expect(run(line)).rejects.toThrow(new UserError(message));
});
