// Sets the stage for tfjs-core's own test suite: the backend, its gradients and chained ops.

import "@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops";
import "@tensorflow/tfjs-core/dist/register_all_gradients";
import { setTestEnvs } from "@tensorflow/tfjs-core/dist/jasmine_util";
import { loadNative } from "../dist/index.js";

if (!loadNative(process.env)) throw new Error("the addon is not built: npm run build");
setTestEnvs([{ name: "native", backendName: "native", isDataSync: true }]);
