// tessera verify: whether a run computes on all of its ranks what it computes on one.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runThreads } from "@tessera/collectives";
import { joinWorld } from "@tessera/collectives-mpi";
import { choice, EXIT, number, text, UserError } from "@tessera/config";
import { backendNames, defaultBackend } from "@tessera/engines";
import { bind, resolveSize } from "@tessera/launcher";
import type { Verdict } from "@tessera/trainer/verify";
import { defineLauncher } from "../command.js";
import { checkCertificate, writeCertificate } from "./certificate.js";
import { findRun } from "./find_run.js";
import { describeVerdict } from "./show_verdict.js";
import { checkThreads, onRank } from "./ranks.js";
import { verifyHere, type Verification } from "./verify_here.js";

const program = {
  name: "tessera verify",
  summary: "Checks that a run computes on all of its ranks what it computes on one.",
  epilogue: [
    "The run's layers, heads and layout, narrow and with few tokens, take two steps on all ranks and on one; activations,",
    "gradients, losses, norms and updates are compared, and what either makes of the other's checkpoint. Ranks are",
    "threads, or those of srun, mpirun or tessera launch. The exit code is 1 where anything differs by more than rounding.",
    "",
    "Examples: tessera verify --ranks 16 -- tessera-pretrain-gpt --preset 1.4b --mock-data",
    "          tessera verify --ranks 4 -- node my_run.js     (exports describeRun(words, ranks))",
    "          tessera verify --ranks 8 --certificate run.json -- tessera-gpt-ddp --model gpt2 --text my.txt",
    "          tessera verify --check run.json -- tessera-gpt-ddp --model gpt2 --text my.txt",
  ].join("\n"),
  groups: {
    Ranks: {
      ranks: number("ranks to start as threads", { min: 1, max: 512, whole: true }),
      backend: choice("what computes. Default: the fastest that is there", backendNames),
      "scratch-folder": text(
        "where checkpoints of the comparison go, for a while",
        "FOLDER",
        tmpdir(),
      ),
    },
    Certificate: {
      certificate: text("write a certificate, if nothing differs", "FILE"),
      check: text("only check that a certificate is of this run and this code", "FILE"),
    },
  },
} as const;

export const verify = defineLauncher(program, async ({ values }, words) => {
  const described = findRun(words, "verify");
  if (values.check !== undefined) {
    process.stdout.write(`${checkCertificate(values.check, described)}\n`);
    return EXIT.done;
  }
  const environment = bind(process.env);
  const verification: Verification = {
    program: described,
    backend: values.backend ?? defaultBackend(environment),
    folder: values["scratch-folder"],
  };
  const conclude = (verdict: Verdict, ranks: string): number => {
    for (const line of describeVerdict(verdict, ranks)) process.stdout.write(`${line}\n`);
    if (verdict.fault !== null) return EXIT.failed;
    if (values.certificate !== undefined) writeCertificate(values.certificate, described, verdict);
    return EXIT.done;
  };
  if (resolveSize(process.env) > 1) {
    const world = joinWorld(process.env, { timeoutMinutes: 10 });
    const verdict = await onRank(world, () => verifyHere(world, verification, environment));
    if (world.rank === 0) return conclude(verdict, `${world.size} ranks by ${world.engine}`);
    return verdict.fault === null ? EXIT.done : EXIT.failed;
  }
  const { ranks } = values;
  if (ranks === undefined) {
    throw new UserError("tessera verify: --ranks N says on how many ranks; or start it by srun");
  }
  checkThreads(ranks);
  return conclude(await verifyOnThreads(ranks, verification), `${ranks} threads`);
});

/** What threads that fail leave in their folder is removed too. */
async function verifyOnThreads(ranks: number, verification: Verification): Promise<Verdict> {
  const folder = mkdtempSync(join(verification.folder, "tessera-verify-"));
  try {
    const program = new URL("./verify_here.js", import.meta.url);
    const data: Verification = { ...verification, folder };
    const [verdict] = await runThreads<Verdict>({ program, ranks, data });
    return verdict!;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
