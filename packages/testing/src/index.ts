// What the tests of several packages share.

export { mutate, seededDraws, type Draw, type Mutation } from "./mutations.js";
export { launchRanks, markProcesses, runNode, runProgram, type Ended } from "./processes.js";
export { runOracle } from "./run_oracle.js";
export { scratchFolder } from "./scratch_folder.js";
