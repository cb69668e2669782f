// The C++ kernels of @tessera/kernels-native.

import { isAvailable, loadNative } from "@tessera/kernels-native";
import type { Engine } from "./engine.js";

export const native: Engine = {
  isDefault: isAvailable,
  load: (environment) =>
    Promise.resolve(
      loadNative(environment)
        ? null
        : "is not built on this machine; npm run setup says what it needs",
    ),
};
