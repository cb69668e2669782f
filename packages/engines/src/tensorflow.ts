// TensorFlow's own library, with a GPU if the user's TensorFlow sees one.

import type { ThreadEnvironment } from "@tessera/kernels-native";
import {
  describeTensorFlow,
  loadTensorFlow,
  seesGpu,
  whyUnavailable,
} from "@tessera/kernels-tensorflow";
import type { Engine } from "./engine.js";
import { describeThreads, threadsOf } from "./threads.js";

const REMEDY = "npx tessera build-engines --tensorflow builds it on a TensorFlow that is here";

/** What tells a process which GPUs it may see. The drivers' libraries read it from the process itself. */
const isVisibility = (name: string): boolean => /^(CUDA|ROCR|HIP)_VISIBLE_DEVICES$/.test(name);

function showGpus(environment: ThreadEnvironment): void {
  const chosen = Object.entries(environment).filter(([name]) => isVisibility(name));
  for (const [name, value] of chosen) process.env[name] = value;
}

/** Whether the backend `name`, which is loaded, computes on a GPU. */
export const computesOnGpu = (name: string): boolean =>
  name === "tensorflow" && describeTensorFlow()?.device === "GPU";

export const tensorflow: Engine = {
  // A GPU computes faster than any processor.
  isDefault(environment) {
    showGpus(environment);
    return seesGpu(threadsOf(environment));
  },
  load(environment) {
    showGpus(environment);
    const threads = threadsOf(environment);
    const reason = loadTensorFlow(threads) ? null : `${whyUnavailable(threads)!}; ${REMEDY}`;
    return Promise.resolve(reason);
  },
  describe: (environment) =>
    computesOnGpu("tensorflow") ? "one GPU of each rank" : describeThreads(environment),
};
