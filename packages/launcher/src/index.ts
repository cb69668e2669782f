export { bind, threadsPerRank } from "./binding.js";
export type { Cluster, NodeUse, Peak } from "./clusters/cluster.js";
export { clusterNames, CLUSTERS, type ClusterName } from "./clusters/clusters.js";
export { findGpus, thisNode, type Gpus, type NodeHardware } from "./hardware.js";
export { expandCounts, expandHosts } from "./host_list.js";
export { formatJobScript, quote, type JobRequest } from "./job_script.js";
export {
  findCause,
  launchEnvironment,
  mpirunArguments,
  parseMpiFamily,
  prefixRank,
  type LaunchRequest,
  type MpiFamily,
} from "./launch_command.js";
export type { Environment } from "./launchers/launcher.js";
export { resolveSize, resolveWorld, type JobRank } from "./resolve_world.js";
