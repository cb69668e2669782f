// One transformer block (Radford et al., 2019): attention, then the MLP, each behind a norm and
// added to what came in. The region marks the stretches that tensor parallelism may split.

import {
  dropout,
  layerNorm,
  mlp,
  residual,
  selfAttention,
  sequence,
  type ParamsOf,
  type Region,
} from "@tessera/layers";
import type { GptConfig } from "./config.js";

export function block(config: GptConfig, region: Region) {
  const { hiddenSize: width, initDeviation: deviation, layerNormEpsilon } = config;
  const { inside, outside } = region;
  // Two sublayers of each block add to the residual stream; this keeps its variance near 1.
  const outputDeviation = deviation / Math.sqrt(2 * config.layerCount);
  const shared = { width, deviation, outputDeviation, inside };
  return sequence({
    attention: residual(
      sequence({
        norm: layerNorm(width, layerNormEpsilon),
        heads: region.across(
          selfAttention({
            ...shared,
            heads: config.headCount,
            keyHeads: config.keyHeadCount,
            dropout: config.dropout.attention,
          }),
        ),
        drop: dropout(config.dropout.residual, outside),
      }),
    ),
    mlp: residual(
      sequence({
        norm: layerNorm(width, layerNormEpsilon),
        feed: region.across(mlp({ ...shared, innerWidth: config.innerSize })),
        drop: dropout(config.dropout.residual, outside),
      }),
    ),
  });
}

export type BlockParams = ParamsOf<ReturnType<typeof block>>;
