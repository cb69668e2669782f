// The process of survey.ts: prints what MPI says of itself.

import { findAddon, loadAddon } from "./addon.js";

process.stdout.write(JSON.stringify(loadAddon(findAddon()!).survey()));
