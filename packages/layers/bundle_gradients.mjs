// Bundles the gradients of tfjs's operations into dist/gradients.cjs. tfjs-core has them in modules that Node cannot
// load as they are, and the package that registers them, @tensorflow/tfjs, is 300 times as large.

import { buildSync } from "esbuild";

buildSync({
  stdin: {
    contents: 'import "@tensorflow/tfjs-core/dist/register_all_gradients.js"',
    resolveDir: import.meta.dirname,
  },
  bundle: true,
  minify: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  outfile: `${import.meta.dirname}/dist/gradients.cjs`,
});
