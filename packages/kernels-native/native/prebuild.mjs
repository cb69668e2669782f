// Builds the package of this platform's binaries, which npm installs with @tessera/kernels-native where it fits: an
// addon for each instruction set, and beside them the libraries that not every machine has.
//
//   node native/prebuild.mjs [--level LEVEL]... [--onednn FOLDER] [--into FOLDER]
//
// Levels are baseline, v3 and v4. Default: all that the processor's architecture has. --onednn has include/, lib/ and
// share/doc/onednn/. Default: a oneDNN from PyPI, which is there for linux-x64. The package becomes a subfolder of
// --into, named as its platform. Default: prebuilds.

import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { install } from "@tessera/native-addon";
import { compileAddon } from "./build.mjs";
import { toolchain } from "./toolchain.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const platform = `${process.platform}-${process.arch}`;
const LEVELS = process.arch === "x64" ? ["baseline", "v3", "v4"] : ["baseline"];

/** What every machine with Node has is the system's; these are not. */
const BUNDLED = ["libdnnl", "libgomp"];

/** Installs oneDNN in `build`, unless it is there. Returns its folder. */
function installOneDnn() {
  const folder = path.join(root, "build", "onednn");
  const wanted = path.join(root, "native", "onednn.txt");
  const stamp = path.join(folder, "installed.txt");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === readFileSync(wanted, "utf8"))
    return folder;
  rmSync(folder, { recursive: true, force: true });
  execFileSync("python3", ["-m", "venv", folder]);
  const pip = [
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--no-deps",
    "--require-hashes",
  ];
  execFileSync(path.join(folder, "bin", "pip"), [...pip, "-r", wanted]);
  copyFileSync(wanted, stamp);
  return folder;
}

/** The libraries in BUNDLED that `addon` loads, with the files that the dynamic linker finds. */
function findBundled(addon, onednn) {
  const env = { ...process.env, LD_LIBRARY_PATH: path.join(onednn, "lib") };
  const printed = execFileSync("ldd", [addon], { env, encoding: "utf8" });
  const loaded = [...printed.matchAll(/^\s*(\S+) => (\/\S+)/gm)];
  return BUNDLED.map((library) => {
    const [, name, file] = loaded.find(([, each]) => each.startsWith(`${library}.`)) ?? [];
    if (name === undefined) throw new Error(`${addon} does not load ${library}`);
    return { name, file };
  });
}

/** The newest version of glibc that `files` ask for. */
function requiredGlibc(files) {
  const table = execFileSync("objdump", ["-T", ...files], { encoding: "utf8", maxBuffer: 2 ** 28 });
  const minors = [...table.matchAll(/\(GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
  return `2.${Math.max(...minors)}`;
}

/** The manifest of the platform's package. What it shares with @tessera/kernels-native comes from there. */
function manifestOf(levels, glibc) {
  const own = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
  return {
    name: `${own.name}-${platform}`,
    version: own.version,
    description: `Binaries of ${own.name} for ${platform}`,
    keywords: own.keywords,
    license: "Apache-2.0 AND GPL-3.0-or-later WITH GCC-exception-3.1",
    publishConfig: own.publishConfig,
    type: "commonjs",
    engines: own.engines,
    os: [process.platform],
    cpu: [process.arch],
    libc: ["glibc"],
    files: ["*.node", "*.so.*", "licenses"],
    preferUnplugged: true,
    tessera: { levels, glibc },
  };
}

function copyTexts(folder, onednn) {
  copyFileSync(path.join(root, "LICENSE"), path.join(folder, "LICENSE"));
  cpSync(path.join(root, "native", "licenses"), path.join(folder, "licenses"), { recursive: true });
  const texts = path.join(onednn, "share", "doc", "onednn");
  for (const name of ["LICENSE", "THIRD-PARTY-PROGRAMS"]) {
    copyFileSync(path.join(texts, name), path.join(folder, "licenses", `onednn-${name}`));
  }
  writeFileSync(
    path.join(folder, "README.md"),
    `Binaries of [@tessera/kernels-native](https://www.npmjs.com/package/@tessera/kernels-native) for ${platform}, which\n` +
      "npm installs with it. `licenses/` has the licences of the libraries in it: oneDNN and GNU's OpenMP.\n",
  );
}

/** Builds the package in `into`, and returns its folder. */
function prebuild(levels, onednn, into) {
  const tools = toolchain();
  const folder = path.join(into, platform);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const addons = levels.map((level) => {
    const target = path.join(folder, `tessera-${level}.node`);
    install(compileAddon(level, { ...tools, level }, {}, onednn), target);
    return target;
  });
  const libraries = findBundled(addons[0], onednn).map(({ name, file }) => {
    const target = path.join(folder, name);
    execFileSync("strip", ["--strip-unneeded", "-o", target, file]);
    return target;
  });
  copyTexts(folder, onednn);
  const manifest = manifestOf(levels, requiredGlibc([...addons, ...libraries]));
  writeFileSync(path.join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  return folder;
}

const { values } = parseArgs({
  options: {
    level: { type: "string", multiple: true, default: LEVELS },
    onednn: { type: "string" },
    into: { type: "string", default: path.join(root, "prebuilds") },
  },
});
const folder = prebuild(values.level, path.resolve(values.onednn ?? installOneDnn()), values.into);
process.stdout.write(`${folder}\n`);
