// Helpers that tests of several packages share.

export { mutate, mutateJson, seededRandom, type RandomNumber, type Mutation } from "./mutations.js";
export {
  launchRanks,
  markProcesses,
  outputOf,
  runNode,
  runProgram,
  type ProcessResult,
} from "./processes.js";
export { relativeError } from "./relative_error.js";
export { installPython, runOracle } from "./run_oracle.js";
export { scratchFolder } from "./scratch_folder.js";
