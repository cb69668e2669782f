// Registers the gradients of all tfjs operations, which `grads` needs.

import { createRequire } from "node:module";

// Made by bundle_gradients.mjs. All copies of tfjs-core in a process share one registry.
createRequire(import.meta.url)("../dist/gradients.cjs");
