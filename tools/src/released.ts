// Packages as a release packs them: with the binaries of this platform.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { runNode, runProgram } from "@tessera/testing";
import { output, pack, packAll, ROOT, type Packed } from "./packed.js";

const PLATFORM = `${process.platform}-${process.arch}`;
const NATIVE = "@tessera/kernels-native";

/** The package of this platform's binaries. */
export const BINARIES = `${NATIVE}-${PLATFORM}`;

/** Packs every package into folders of `folder`; of the binaries there are those for the instructions of `level`. */
export function packRelease(folder: string, level: string): ReadonlyMap<string, Packed> {
  const packed = packAll(join(folder, "tarballs"));
  const prebuilt = join(folder, "prebuilt");
  const prebuild = join(ROOT, "packages/kernels-native/native/prebuild.mjs");
  // Minutes, where nothing of it is compiled yet.
  const patience = { timeout: 15 * 60_000 };
  output(runNode([prebuild, "--level", level, "--into", prebuilt], patience));
  // The package that loads the binaries is to ask for them.
  const unpacked = join(folder, "unpacked");
  mkdirSync(unpacked);
  output(runProgram("tar", ["-xzf", packed.get(NATIVE)!.tarball, "-C", unpacked]));
  const native = join(unpacked, "package");
  output(runNode([join(ROOT, "tools/release.mjs"), "--prebuilt", prebuilt, native]));
  const completed = [native, join(prebuilt, PLATFORM)].map((each) => [
    ...pack(each, [], join(folder, "completed")),
  ]);
  return new Map([...packed, ...completed.flat()]);
}
