// `npm run bench`: measures. The first word names a suite, the rest are its flags; without a word it
// is the training suite. Each suite is a module of tools/bench with a function `run`.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT, setUp, stop } from "./setup.mjs";

const suites = readdirSync(join(ROOT, "tools/bench"))
  .filter((name) => name.endsWith(".mjs"))
  .map((name) => name.slice(0, -".mjs".length));

const [word = "training"] = process.argv.slice(2);
const suite = word.startsWith("-") ? "training" : word;
if (!suites.includes(suite)) stop(`${suite} is no suite of bench: there are ${suites.join(", ")}`);
setUp();
const { run } = await import(`./bench/${suite}.mjs`);
await run(process.argv.slice(suite === word && process.argv.length > 2 ? 3 : 2));
