// The threads that engines on processors compute with.

import { availableParallelism } from "node:os";
import { threadCount, type ThreadEnvironment } from "@tessera/kernels-native";

/** Those of this process. */
export const threadsOf = (environment: ThreadEnvironment): number =>
  threadCount(environment, availableParallelism());

/** In words: "threads of each rank: 4". */
export const describeThreads = (environment: ThreadEnvironment): string =>
  `threads of each rank: ${threadsOf(environment)}`;
