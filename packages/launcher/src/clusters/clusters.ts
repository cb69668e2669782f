// The clusters that job scripts can be written for.

import type { Cluster } from "./cluster.js";
import { frontier } from "./frontier.js";
import { generic } from "./generic.js";
import { perlmutter } from "./perlmutter.js";

/** By the name that `--site` takes. */
export const CLUSTERS = { generic, frontier, perlmutter } as const satisfies Record<
  string,
  Cluster
>;

/** The name of a cluster, as `--site` takes it. */
export type ClusterName = keyof typeof CLUSTERS;

/** The names of all clusters that job scripts can be written for. */
export const clusterNames = Object.keys(CLUSTERS) as ClusterName[];
