// Other versions of Node, from npm.

import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { npm, ROOT } from "./packed.js";

/** The oldest that package.json allows, and those that are maintained. */
export const versions = ["20.15", "22", "24"] as const;
type Version = (typeof versions)[number];

const FOLDER = join(ROOT, "tools/dist/nodes", versions.join("-"));

/** The program of a version. All are installed together, unless they are there. */
export function installNode(version: Version): string {
  if (!existsSync(FOLDER)) {
    mkdirSync(dirname(FOLDER), { recursive: true });
    const own = mkdtempSync(`${FOLDER}-`);
    writeFileSync(join(own, "package.json"), `{ "private": true }`);
    const binaries = `npm:node-${process.platform}-${process.arch}`;
    const wanted = versions.map((each) => `node-${each}@${binaries}@${each}`);
    npm(["install", "--prefer-offline", "--ignore-scripts", ...wanted], own);
    takePlace(own, FOLDER);
  }
  return join(FOLDER, `node_modules/node-${version}/bin/node`);
}

/** Another process may have been quicker. */
function takePlace(own: string, folder: string): void {
  try {
    renameSync(own, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    rmSync(own, { recursive: true });
  }
}
