// What an engine is to a program that computes on it.

import type { ThreadEnvironment } from "@tessera/kernels-native";

/** A tfjs backend that can be loaded by name. */
export interface Engine {
  /** Whether it can be the default on this machine, with the threads that `environment` grants. */
  readonly isDefault: (environment: ThreadEnvironment) => boolean;
  /**
   * Registers the backend, with the threads that `environment` (`process.env`) grants. Returns null, or
   * why it cannot: "it is not built here, and ...".
   */
  readonly load: (environment: ThreadEnvironment) => Promise<string | null>;
  /** What of the machine is each rank's, once it is loaded: "threads of each rank: 4". */
  readonly describe?: (environment: ThreadEnvironment) => string;
}
