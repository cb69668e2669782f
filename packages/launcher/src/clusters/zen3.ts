import type { Peak } from "./cluster.js";

/** Operations per cycle of a core: two fused multiply-adds of 8 lanes. It has no 16-bit products. */
const OPERATIONS_PER_CYCLE = 32;

/** The peak of AMD's Zen 3. */
export function zen3Peak(cores: number, gigahertz: number): Peak {
  const tflops = (cores * gigahertz * OPERATIONS_PER_CYCLE) / 1000;
  return { fp32: tflops, bf16: tflops, fp16: tflops };
}
