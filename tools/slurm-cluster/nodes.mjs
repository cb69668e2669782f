// The machines of the test cluster: each a network namespace of its own behind a bridge, so that ranks on
// different nodes share no network, and talk as hosts do. Linux and root only.

import { execFileSync, spawnSync } from "node:child_process";

/** @typedef {{ name: string, namespace: string, link: string, address: string }} Node */

export const BRIDGE = "tessera-br";
const SUBNET = "10.213.77";

/**
 * Node `index`: its name, network namespace, link on the bridge's side and address.
 * @param {number} index
 * @returns {Node}
 */
export const nodeAt = (index) => ({
  name: `n${index}`,
  namespace: `tessera-n${index}`,
  link: `tessera-v${index}`,
  address: `${SUBNET}.${index + 10}`,
});

/** @param {number} count */
export const nodes = (count) => Array.from({ length: count }, (_, index) => nodeAt(index));

export const HOST_ADDRESS = `${SUBNET}.1`;

/** @param {string[]} args */
const ip = (...args) => execFileSync("ip", args, { stdio: ["ignore", "pipe", "pipe"] });

/** @param {readonly Node[]} all */
export function makeNetwork(all) {
  ip("link", "add", BRIDGE, "type", "bridge");
  ip("address", "add", `${HOST_ADDRESS}/24`, "dev", BRIDGE);
  ip("link", "set", BRIDGE, "up");
  for (const { namespace, link, address } of all) {
    ip("netns", "add", namespace);
    ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace);
    ip("link", "set", link, "master", BRIDGE, "up");
    ip("-n", namespace, "address", "add", `${address}/24`, "dev", "eth0");
    ip("-n", namespace, "link", "set", "eth0", "up");
    ip("-n", namespace, "link", "set", "lo", "up");
  }
}

/**
 * Removes what exists of the network.
 * @param {readonly Node[]} all
 */
export function removeNetwork(all) {
  for (const { namespace, link } of all) {
    spawnSync("ip", ["netns", "delete", namespace]);
    spawnSync("ip", ["link", "delete", link]);
  }
  spawnSync("ip", ["link", "delete", BRIDGE]);
}

/**
 * Disconnects a node, or connects it again.
 * @param {Node} node
 * @param {"up" | "down"} state
 */
export const setLink = ({ link }, state) => void ip("link", "set", link, state);

/**
 * The command line of `command` on a node: in its network, with mounts, a hostname and a /tmp and
 * /dev/shm of its own. Its processes share its process namespace, and so all end with it.
 * @param {Node} node
 * @param {{ hosts: string, scratch: string }} paths
 * @param {readonly string[]} command
 * @returns {readonly [string, ...string[]]}
 */
export function onNode({ namespace, name }, { hosts, scratch }, command) {
  const script = [
    "set -e",
    'hostname "$1"',
    'mount --bind "$2" /etc/hosts',
    "mount -t tmpfs tmpfs /dev/shm",
    'mkdir -p "$3" && mount --bind "$3" /var/spool',
    "shift 3",
    'exec "$@"',
  ].join("\n");
  const isolate = [
    "unshare",
    "--mount",
    "--uts",
    "--ipc",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
  ];
  // Not `ip netns exec`, which hides /sys/fs/cgroup from slurmd.
  const enter = `--net=/run/netns/${namespace}`;
  return [
    "nsenter",
    enter,
    ...isolate,
    "bash",
    "-c",
    script,
    "node",
    name,
    hosts,
    scratch,
    ...command,
  ];
}
