// What an engine is to a program that computes on it.

import type { ThreadEnvironment } from "@tessera/kernels-native";

/** A tfjs backend that can be loaded by name. */
export interface Engine {
  /** Whether it can be the default on this machine. */
  readonly isDefault: () => boolean;
  /**
   * Registers the backend, with the threads that `environment` (`process.env`) grants. Returns null, or
   * why it cannot: "is not built; npm run setup says what it needs".
   */
  readonly load: (environment: ThreadEnvironment) => Promise<string | null>;
}
