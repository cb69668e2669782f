export { bind, gpuFor, threadsFor } from "./binding.js";
export { expandCounts, expandHosts } from "./host_list.js";
export { resolveWorld, type Environment, type Place } from "./resolve_world.js";
export {
  causeIn,
  familyOf,
  launchEnvironment,
  mpirunArguments,
  prefixed,
  type LaunchRequest,
  type MpiFamily,
} from "./launch_command.js";
export { jobScript, quoted, type JobRequest } from "./job_script.js";
export { SITES, type Site, type SiteName } from "./sites.js";
