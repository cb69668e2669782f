// tessera check-ranks: checks the collectives of the ranks of a job, on the memory and the network that training
// will use.

import { setBackend } from "@tensorflow/tfjs-core";
import { runRank } from "@tessera/collectives";
import { checkLaws, ALL_CASES } from "@tessera/collectives/laws";
import { joinWorld } from "@tessera/collectives-mpi";
import { EXIT, number, UserError } from "@tessera/config";
import { loadNative, whyUnavailable } from "@tessera/kernels-native";
import { bind } from "@tessera/launcher";
import { defineCommand } from "./command.js";

const program = {
  name: "tessera check-ranks",
  summary: "Checks every collective of the ranks of a job against plain arithmetic.",
  epilogue:
    "Examples: tessera launch --nproc-per-node 4 -- tessera check-ranks\n" +
    "          srun --mpi=pmix -N 2 -n 4 tessera check-ranks",
  groups: {
    Check: {
      elements: number(
        "elements of the largest tensors; one sum has seven times as many",
        { min: 1, max: 1e8, whole: true },
        200_001,
      ),
      repeat: number("how often everything is checked", { min: 1, max: 1e6, whole: true }, 1),
      "distributed-timeout-minutes": number("time limit of each call", { above: 0 }, 1),
    },
  },
} as const;

export const checkRanks = defineCommand(program, async (parsed) => {
  if (!loadNative(bind(process.env))) {
    throw new UserError(`native engine: ${whyUnavailable()!}; npx tessera build-engines builds it`);
  }
  await setBackend("native");
  const { elements, repeat, "distributed-timeout-minutes": timeoutMinutes } = parsed.values;
  const sizes = [...ALL_CASES.sizes.filter((size) => size < 1000), elements];
  const laws = { ...ALL_CASES, sizes, long: 7 * elements };
  return runRank(joinWorld(process.env, { timeoutMinutes }), (world) => {
    const host = world.hosts[world.rank]!;
    for (let round = 0; round < repeat; round += 1) {
      const { checked, digest } = checkLaws(world, laws);
      process.stdout.write(
        `rank ${world.rank} of ${world.size} on ${host}, ${world.engine}: ${checked} results are right, ` +
          `digest ${digest}\n`,
      );
    }
    return EXIT.done;
  });
});
