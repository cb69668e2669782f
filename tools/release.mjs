// Completes manifests in place, in the checkout of a release: `nx release publish` comes next. What it adds is in one
// place elsewhere, or not there yet:
// - repository, homepage and bugs, which the workspace's package.json has once there is a public home;
// - for @tessera/kernels-native, the packages of binaries that were built: npm installs the one that fits.
//
//   node tools/release.mjs [--workspace FOLDER] [--prebuilt FOLDER] [PACKAGE...]
//
// PACKAGE is a package's folder. Default: every package that is published. FOLDER of --prebuilt holds the packages of
// binaries. Default: packages/kernels-native/prebuilds.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const { values, positionals } = parseArgs({
  options: {
    workspace: { type: "string", default: ROOT },
    prebuilt: { type: "string", default: join(ROOT, "packages/kernels-native/prebuilds") },
  },
  allowPositionals: true,
});

/** @typedef {{ name: string, version: string, private?: boolean, [field: string]: unknown }} Manifest */

/**
 * @param {string} folder
 * @returns {Manifest}
 */
const readManifest = (folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

/** @param {string} folder */
const subfolders = (folder) =>
  existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];

/**
 * What says where the project lives. A repository may hold several packages, so it says which folder is meant.
 * @param {Manifest} workspace
 * @param {string} directory
 */
function homeOf({ repository, homepage, bugs }, directory) {
  const stated = Object.entries({ homepage, bugs }).filter(([, value]) => value !== undefined);
  const { url = repository } = Object(repository);
  return {
    ...(repository === undefined ? {} : { repository: { type: "git", url, directory } }),
    ...Object.fromEntries(stated),
  };
}

/**
 * The packages of binaries that `manifest` is to bring, by their versions.
 * @param {Manifest} manifest
 */
function binariesOf({ name, version }) {
  const built = subfolders(values.prebuilt).map(readManifest);
  const own = built.filter((binaries) => binaries.name.startsWith(`${name}-`));
  const other = own.find((binaries) => binaries.version !== version);
  if (other !== undefined) {
    throw new Error(`${other.name} is ${other.version}, ${name} ${version}: build it again`);
  }
  if (own.length === 0) return {};
  return { optionalDependencies: Object.fromEntries(own.map((each) => [each.name, version])) };
}

const workspace = readManifest(values.workspace);
const everything = ["packages", "apps"].flatMap((kind) => subfolders(join(values.workspace, kind)));
for (const folder of positionals.length > 0
  ? positionals.map((each) => resolve(each))
  : everything) {
  const manifest = readManifest(folder);
  if (manifest.private === true) continue;
  const home = homeOf(workspace, relative(values.workspace, folder));
  const completed = { ...manifest, ...home, ...binariesOf(manifest) };
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(completed, null, 2)}\n`);
}
