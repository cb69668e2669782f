// What products of bf16 operands compute in: the same on every rank, and on in a run that is resumed, since their sums are
// rounded otherwise.

import { getBackend } from "@tensorflow/tfjs-core";
import type { World } from "@tessera/collectives";
import { UserError } from "@tessera/config";
import { bf16ProductsBackend, type Bf16Products } from "@tessera/kernels/memory";
import type { Identity } from "./identity.js";
import type { PrecisionConfig } from "./run/run_config.js";

/** The setting of a checkpoint that says what its run's products computed in. */
const SETTING = "bf16Products";

/** What was chosen, as a checkpoint records it, and what the user is told of it. */
export interface ChosenProducts {
  /** Empty where there was nothing to choose. */
  readonly settings: Identity;
  readonly notes: readonly string[];
}

/** Pairs of bf16 need no widened copies of operands, so that fp32 must be faster by more than noise. */
const MARGIN = 1.1;

/**
 * Chooses what products of bf16 operands compute in and sets it, if the run has such and the backend has a choice: what the
 * user asks for, else what the checkpoint was trained with (`saved`), else what is faster on the first rank. Called by all
 * ranks of `world`.
 * @throws UserError where the user asks for what a rank's processor or the backend has not.
 */
export function chooseBf16Products(
  world: World,
  precision: PrecisionConfig,
  saved: Identity = {},
): ChosenProducts {
  if (precision.storage !== "bf16") return { settings: {}, notes: [] };
  const { products: asked } = precision;
  const backend = bf16ProductsBackend();
  if (backend === null) {
    if (asked === undefined) return { settings: {}, notes: [] };
    throw new UserError(
      `products of bf16 in ${asked}: needs --backend native, this run is on ${getBackend()}`,
    );
  }
  const lacking = sumOverRanks(world, [backend.bf16ProductsOffered.includes("bf16") ? 0 : 1])[0]!;
  if (asked === "bf16" && lacking > 0) {
    throw new UserError(
      `products of bf16 in bf16: ${lacking} of ${world.size} ranks have no such instructions; leave the choice to the run`,
    );
  }
  const [products, why] = choose(world, asked, savedProducts(saved), lacking === 0);
  backend.bf16Products = products;
  return { settings: { [SETTING]: products }, notes: [`products of bf16: in ${products}, ${why}`] };
}

function savedProducts({ [SETTING]: saved }: Identity): Bf16Products | undefined {
  return saved === "bf16" || saved === "fp32" ? saved : undefined;
}

/** The products of all ranks, and why. */
function choose(
  world: World,
  asked: Bf16Products | undefined,
  saved: Bf16Products | undefined,
  hasPairs: boolean,
): readonly [products: Bf16Products, why: string] {
  if (asked !== undefined) return [asked, "as asked for"];
  if (saved !== undefined && (saved === "fp32" || hasPairs)) return [saved, "as in the checkpoint"];
  if (!hasPairs) {
    const cause = "a processor has no instructions for pairs of bf16";
    return ["fp32", saved === undefined ? cause : `unlike the checkpoint's in bf16: ${cause}`];
  }
  const { bf16 = 0, fp32 = 0 } =
    world.rank === 0 ? bf16ProductsBackend()!.measureBf16Products() : {};
  const [inPairs, widened] = sumOverRanks(world, [bf16 / 1e9, fp32 / 1e9]);
  const products = widened! > MARGIN * inPairs! ? "fp32" : "bf16";
  const rates = `${Math.round(inPairs!)} GFLOP/s in bf16, ${Math.round(widened!)} in fp32`;
  return [products, `measured on the first rank: ${rates}`];
}

const sumOverRanks = ({ all }: World, values: readonly number[]): Float32Array =>
  all.allReduceValues(Float32Array.from(values)).wait();
