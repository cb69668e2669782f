// At which addresses processes listen, by Linux's tables.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const LISTENING = "0A";

/** IPv4 and IPv6 loopback, as /proc/net writes them. */
const LOOPBACK = ["0100007F", "00000000000000000000000001000000"];

/** Addresses of `processes` that other machines reach, as /proc/net writes them: `00000000:8F3A`. */
export function listensOutside(processes: readonly string[]): string[] {
  const sockets = new Set(processes.flatMap(socketsOf));
  const tables = ["tcp", "tcp6"].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, "utf8").trim().split("\n").slice(1),
  );
  return tables.flatMap((line) => {
    const [, address = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
    const isOutside = state === LISTENING && !LOOPBACK.includes(address.split(":")[0]!);
    return isOutside && sockets.has(`socket:[${inode}]`) ? [address] : [];
  });
}

function socketsOf(process: string): string[] {
  const folder = `/proc/${process}/fd`;
  try {
    return readdirSync(folder).map((name) => readlinkSync(`${folder}/${name}`));
  } catch {
    return []; // it has ended, or has just closed a file
  }
}
