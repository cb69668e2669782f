// `npm run misplace`: removes, doubles or swaps conversions between placements and layers, one at a time, wherever they
// are composed, and counts those that the compiler refuses. What compiles all the same is explained in
// misplace/escapes.json.

import { ROOT, setUp } from "./setup.mjs";

const words = process.argv.slice(2);
if (!words.includes("--help")) setUp();

const { endWith, parseFlags } = await import("@tessera/config");
const { FILES, tryAll } = await import("./misplace/try_all.mjs");

/** The part of them that the compiler must refuse. */
const NEEDED = 0.95;

const program = {
  name: "misplace",
  summary:
    "Removes, doubles or swaps collectives and layers, one at a time, and counts what does not compile.",
  groups: {},
};

/** @param {readonly string[]} argv */
function main(argv) {
  const parsed = parseFlags(program, argv);
  if ("answer" in parsed) {
    process.stdout.write(parsed.answer);
    return 0;
  }
  const counts = { files: 0, tried: 0, refused: 0, unexplained: 0 };
  tryAll(ROOT, ({ file, tried, escapes }) => {
    counts.files += 1;
    counts.tried += tried;
    counts.refused += tried - escapes.length;
    process.stdout.write(`${counts.files} of ${FILES.length}: ${file}: ${tried} tried\n`);
    for (const { line, change, what, why } of escapes) {
      if (why === undefined) counts.unexplained += 1;
      process.stdout.write(`compiles: ${file}:${line}: ${change}: ${what}\n`);
      process.stdout.write(`  ${why ?? "not explained: a type is missing"}\n`);
    }
  });
  const { tried, refused, unexplained } = counts;
  const part = refused / tried;
  process.stdout.write(`${refused} of ${tried} do not compile (${(100 * part).toFixed(1)}%)\n`);
  return part < NEEDED || unexplained > 0 ? 1 : 0;
}

await endWith("misplace", () => main(words));
