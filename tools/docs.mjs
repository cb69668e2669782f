// `npm run docs`: builds the documentation as a site that needs no network, into site/build.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT, run, stop } from "./setup.mjs";

/** @param {string} path */
const bin = (path) => join(ROOT, "node_modules", path);
const vitepress = bin("vitepress/bin/vitepress.js");
if (!existsSync(vitepress)) stop("the site's dependencies are not installed: npm run setup");

// The compiler builds what the site's programs need: no engine.
const stages = [
  ["the build", bin("@typescript/native/bin/tsc"), "-b", "site"],
  ["drawing", join(ROOT, "site/dist/draw.js")],
  ["the reference", join(ROOT, "site/dist/reference.js")],
  ["the site", vitepress, "build", "site"],
];
const began = performance.now();
for (const [name, ...words] of stages) run(process.execPath, words, `${name} failed`);
const seconds = Math.round((performance.now() - began) / 1000);
process.stdout.write(
  `the site is in site/build, after ${seconds} s; npx vitepress preview site shows it\n`,
);
