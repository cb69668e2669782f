// Faults that `npm run faults` plants are places that there are, and change them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { runNode } from "@tessera/testing";

const ROOT = join(__dirname, "../..");

interface Fault {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const { stdout } = runNode([
  "--input-type=module",
  "-e",
  `import { faults } from ${JSON.stringify(join(ROOT, "tools/faults/planted.mjs"))};
   console.log(JSON.stringify(faults));`,
]);
const faults = JSON.parse(stdout) as Fault[];

test("there are ten faults at least", () => {
  expect(faults.length).toBeGreaterThanOrEqual(10);
});

test.each(faults)("$name is a change of one place in $file", ({ file, from, to }) => {
  const source = readFileSync(join(ROOT, file), "utf8");
  expect(source.split(from)).toHaveLength(2);
  expect(source.replace(from, () => to)).not.toBe(source);
});
