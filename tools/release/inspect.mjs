// Inspects packed packages as npm's users and TypeScript see them, by publint and by "are the types wrong?". Prints
// what is wrong as JSON, by the names of the packages:
//   node tools/release/inspect.mjs NAME=TARBALL ...

import { readFileSync } from "node:fs";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

/** What a package of ES modules is used by: attw's profile esm-only. */
const RESOLUTIONS = ["node16-esm", "bundler"];

/** @param {string} tarball */
async function inspect(tarball) {
  const data = new Uint8Array(readFileSync(tarball));
  const { messages, pkg } = await publint({ pack: { tarball: data.buffer }, strict: true });
  const linted = messages.map(
    (message) => formatMessage(message, pkg, { color: false }) ?? message.code,
  );
  // What exports nothing has no types.
  if (pkg["exports"] === undefined) return linted;
  const checked = await checkPackage(createPackageFromTarballData(data));
  if (checked.types === false) return [...linted, "has no types"];
  const wrong = checked.problems
    .filter(
      (problem) => !("resolutionKind" in problem) || RESOLUTIONS.includes(problem.resolutionKind),
    )
    .map((problem) => JSON.stringify(problem));
  return [...linted, ...wrong];
}

/** @type {Record<string, string[]>} */
const complaints = {};
for (const argument of process.argv.slice(2)) {
  const [name = "", tarball = ""] = argument.split("=");
  complaints[name] = await inspect(tarball);
}
process.stdout.write(`${JSON.stringify(complaints)}\n`);
