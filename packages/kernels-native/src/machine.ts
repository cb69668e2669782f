// What decides which binaries a machine can run.

import { existsSync, readFileSync } from "node:fs";

/** An x86-64 level of instructions, or "baseline" for what every processor of an architecture runs. */
export type Level = "v4" | "v3" | "baseline";

export interface Machine {
  /** `process.platform`. */
  readonly platform: string;
  /** `process.arch`. */
  readonly arch: string;
  /** Of the processor, as /proc/cpuinfo has them. */
  readonly flags: ReadonlySet<string>;
  /** The version of glibc, "2.36". Null where the C library is another. */
  readonly glibc: string | null;
}

const V3 = ["avx2", "fma", "f16c", "bmi2", "movbe"];
const V4 = ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"];

/** The levels that a processor with these flags can run, best first. */
export function levelsFor(flags: ReadonlySet<string>): readonly Level[] {
  const has = (names: readonly string[]) => names.every((name) => flags.has(name));
  if (!has(V3)) return ["baseline"];
  return has(V4) ? ["v4", "v3", "baseline"] : ["v3", "baseline"];
}

function readFlags(): ReadonlySet<string> {
  if (!existsSync("/proc/cpuinfo")) return new Set();
  const text = readFileSync("/proc/cpuinfo", "utf8");
  return new Set(/^flags\s*:(.*)$/m.exec(text)?.[1]?.split(" "));
}

/** Node's report; with its network, it would look up the names of all peers. */
interface Report {
  excludeNetwork: boolean;
  getReport(): { readonly header: { readonly glibcVersionRuntime?: string } };
}

/** The glibc that this process runs on. */
function readGlibc(): string | null {
  if (process.platform !== "linux") return null;
  const report = process.report as unknown as Report;
  const { excludeNetwork } = report;
  report.excludeNetwork = true;
  const { header } = report.getReport();
  report.excludeNetwork = excludeNetwork;
  return header.glibcVersionRuntime ?? null;
}

export const thisMachine = (): Machine => ({
  platform: process.platform,
  arch: process.arch,
  flags: readFlags(),
  glibc: readGlibc(),
});
