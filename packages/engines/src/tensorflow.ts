// TensorFlow's own library, with a GPU if the user's TensorFlow sees one.

import { availableParallelism } from "node:os";
import { threadCount, type ThreadEnvironment } from "@tessera/kernels-native";
import { loadTensorFlow, seesGpu, whyUnavailable } from "@tessera/kernels-tensorflow";
import type { Engine } from "./engine.js";

const REMEDY = "npx tessera build-engines --tensorflow builds it on a TensorFlow that is here";

const threadsOf = (environment: ThreadEnvironment): number =>
  threadCount(environment, availableParallelism());

export const tensorflow: Engine = {
  // A GPU computes faster than any processor.
  isDefault: (environment) => seesGpu(threadsOf(environment)),
  load(environment) {
    const threads = threadsOf(environment);
    const reason = loadTensorFlow(threads) ? null : `${whyUnavailable(threads)!}; ${REMEDY}`;
    return Promise.resolve(reason);
  },
};
