// Programs whose output nobody reads anymore, as `| head -1` or a lost terminal leave them.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "@jest/globals";

const CONFIG = join(__dirname, "../dist/index.js");

/** Prints until it is told that this is in vain, or so often. */
const printing = (first: string): string => `
  import { endWith, goOnUnread } from ${JSON.stringify(CONFIG)};
  await endWith("printer", async () => {
    ${first}
    for (let i = 0; i < 40; i += 1) {
      process.stdout.write("a line\\n");
      process.stderr.write("");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    process.stderr.write("done\\n");
    return 0;
  });`;

async function runUnread(program: string) {
  const child = spawn(process.execPath, ["--input-type=module", "-e", program]);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdout.once("data", () => child.stdout.destroy());
  const [code] = (await once(child, "close")) as [number];
  return { code, stderr };
}

test("a tool ends without a word, with the code that a shell has for it", async () => {
  expect(await runUnread(printing(""))).toEqual({ code: 141, stderr: "" });
});

test("a program with other work goes on to its end", async () => {
  expect(await runUnread(printing("goOnUnread();"))).toEqual({ code: 0, stderr: "done\n" });
});
