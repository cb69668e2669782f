// On threads, which run what was built.

import { expect, test } from "@jest/globals";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { execFileSync } from "node:child_process";

const INDEX = pathToFileURL(join(__dirname, "../dist/index.js")).href;

/** What a program prints as JSON. */
function answer(program: string): unknown {
  const source = `import { encodeBatch, gpt2Tokenizer } from "${INDEX}";\n${program}`;
  const args = ["--input-type=module", "-e", source];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
}

test("texts that threads encode come back in their order, whatever their lengths", () => {
  const equal = answer(`
    const texts = Array.from({ length: 500 }, (_, i) => ("text " + i + " ").repeat(1 + ((7 * i) % 90)));
    const gpt2 = gpt2Tokenizer();
    const ids = await encodeBatch(gpt2, texts, { threads: 3 });
    console.log(JSON.stringify(ids.map((some, i) => some.join() === gpt2.encode(texts[i]).join())));
  `) as boolean[];
  expect(equal).toHaveLength(500);
  expect(equal.every(Boolean)).toBe(true);
});

test("a text that a thread refuses is told of as by one's own tokenizer", () => {
  const told = answer(`
    const texts = ["a", "b<|endoftext|>"];
    const batch = encodeBatch(gpt2Tokenizer(), texts, { threads: 2, special: "refuse" });
    const error = await batch.catch((error) => error);
    console.log(JSON.stringify([error.name, error.message]));
  `);
  expect(told).toEqual([
    "UserError",
    expect.stringMatching(/has the special token <\|endoftext\|>/),
  ]);
});
