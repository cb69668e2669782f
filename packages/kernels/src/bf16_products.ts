// What products of bf16 operands compute in, where a backend can do more than one.

import { engine } from "@tensorflow/tfjs-core";

/** What the operands of bf16 products are multiplied as: pairs of bf16, or each widened to fp32. Sums are fp32 in both. */
export type Bf16Products = "bf16" | "fp32";

/** A backend that multiplies bf16 in more than one way. */
export interface Bf16ProductsBackend {
  /** What the processor can do. It always has fp32. */
  readonly bf16ProductsOffered: readonly Bf16Products[];
  /** What products compute in, in all threads of this process. */
  bf16Products: Bf16Products;
  /** Operations a second of a product as layers have them, of each that is offered. Takes some 20 milliseconds. */
  measureBf16Products(): Readonly<Partial<Record<Bf16Products, number>>>;
}

/** The current backend, where it has a choice; else null. */
export function bf16ProductsBackend(): Bf16ProductsBackend | null {
  const backend = engine().backend as unknown as Partial<Bf16ProductsBackend>;
  return backend.bf16ProductsOffered === undefined ? null : (backend as Bf16ProductsBackend);
}
