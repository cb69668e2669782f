// `npm run faults`: plants faults in a copy of the last commit, one at a time, and tells whether `npm test` there
// fails, where, and after how long. Numbers name those of tools/faults/planted.mjs that are planted; else all are.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { faults } from "./faults/planted.mjs";
import { ROOT, run, setUp, stop } from "./setup.mjs";

const minutesSince = (began) => ((performance.now() - began) / 60_000).toFixed(1);

/** A copy with everything that is installed, so that only what a fault changes is built anew. */
function copyWorkspace() {
  const copy = mkdtempSync(join(tmpdir(), "tessera-faults-"));
  run("git", ["clone", "--quiet", ROOT, copy], "the last commit cannot be copied");
  run("cp", ["-a", join(ROOT, "node_modules"), copy], "node_modules cannot be copied");
  return copy;
}

/** The file of tests that a line says has failed, or undefined. */
const failedFile = (line) => /^failed: ((?:packages|apps|tools)\/.+\.test\.ts)$/.exec(line)?.[1];
/** It looks for the places of faults, so it sees each of them. */
const isOurs = (file) => file === "tools/src/faults.test.ts";

/** Runs `npm test` in `folder`. Resolves with its exit code and the files of tests that failed. */
function test(folder) {
  return new Promise((resolve) => {
    const child = spawn("npm", ["test"], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (said += text));
    child.once("close", (code) => {
      const files = said
        .split("\n")
        .map(failedFile)
        .filter((file) => file !== undefined && !isOurs(file));
      resolve({ code, files, end: said.trimEnd().split("\n").at(-1) });
    });
  });
}

/** Plants `fault` for as long as `npm test` runs. Returns whether the test that must see it does. */
async function plant(folder, { name, file, from, to, seenBy }) {
  const path = join(folder, file);
  const source = readFileSync(path, "utf8");
  if (source.split(from).length < 2) stop(`${file}: has no "${from}" to plant ${name} in`);
  writeFileSync(
    path,
    source.replace(from, () => to),
  );
  const began = performance.now();
  const { code, files } = await test(folder);
  writeFileSync(path, source);
  const isSeen = code !== 0 && files.some((one) => seenBy.test(one));
  const where = files.length === 0 ? "nothing failed" : files.join(", ");
  process.stdout.write(
    `${isSeen ? "seen" : "MISSED"} in ${minutesSince(began)} min: ${name}: ${where}\n`,
  );
  return isSeen;
}

async function main(words) {
  if (words.includes("--help")) {
    process.stdout.write("Usage: npm run faults -- [NUMBER...]\n\n");
    faults.forEach(({ name, file }, i) => process.stdout.write(`${i + 1}  ${name} (${file})\n`));
    return 0;
  }
  const chosen = words.length === 0 ? faults : words.map((word) => faults[Number(word) - 1]);
  if (chosen.includes(undefined)) stop(`faults have numbers from 1 to ${faults.length}`);
  setUp();
  const folder = copyWorkspace();
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  const began = performance.now();
  const { code, files, end } = await test(folder);
  process.stdout.write(`without a fault: ${end}, in ${minutesSince(began)} min\n`);
  if (code !== 0) stop(`tests fail without a fault: ${files.join(", ")}`);
  let missed = 0;
  for (const fault of chosen) if (!(await plant(folder, fault))) missed += 1;
  process.stdout.write(`${chosen.length - missed} of ${chosen.length} faults are seen\n`);
  return missed === 0 ? 0 : 1;
}

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));
process.exitCode = await main(process.argv.slice(2));
