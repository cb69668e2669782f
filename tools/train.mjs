// `npm run train`: everything from a fresh clone to a trained model and its sample. Text is a novel that is installed
// with the other dependencies; `npm run train -- --text FILE` takes other text, and every flag of gpt-ddp works here.

import { setUp } from "./setup.mjs";

setUp("@tessera/gpt-ddp", { quiet: true });
// These need the build, which is there only now.
const { train } = await import("./train/train.mjs");
const { isAvailable } = await import("../packages/kernels-native/dist/index.js");
process.exitCode = await train(process.argv.slice(2), { isNative: isAvailable() });
