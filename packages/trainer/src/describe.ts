// Pieces of what a run says of itself.

import type { World } from "@tessera/collectives";

/** "1.5 MB", "46.3 GB". */
export function formatBytes(bytes: number): string {
  const [unit, name] = bytes >= 1e12 ? [1e12, "TB"] : bytes >= 1e9 ? [1e9, "GB"] : [1e6, "MB"];
  return `${(bytes / unit).toFixed(1)} ${name}`;
}

/** "weights 2.0 MB, gradients 2.0 MB; 4.0 MB in all". */
export function describeMemory(kinds: Readonly<Record<string, number>>): string {
  const total = Object.values(kinds).reduce((a, b) => a + b, 0);
  const shown = Object.entries(kinds).map(([kind, size]) => `${kind} ${formatBytes(size)}`);
  return `${shown.join(", ")}; ${formatBytes(total)} in all`;
}

/** "n0: 0 1, n1: 2 3". */
export function describeRanks({ hosts }: Pick<World, "hosts">): string {
  const byHost = new Map<string, number[]>();
  hosts.forEach((host, rank) => byHost.set(host, [...(byHost.get(host) ?? []), rank]));
  return [...byHost].map(([host, ranks]) => `${host}: ${ranks.join(" ")}`).join(", ");
}
