// What a run shares with the one that it continues: every setting that changes its numbers is compared with the
// checkpoint's, and what is another is refused by name, or allowed and told.

import type { TrainingProgress } from "@tessera/checkpoint";
import { UserError, type BatchPlan } from "@tessera/config";
import { describeChanges, listChanges, type Identity } from "../identity.js";
import type { RunConfig } from "./run_config.js";

/** Every setting of `config`, beside model and data, that changes numbers, by name. */
export function settingsOf(
  {
    schedule,
    optimizer = { kind: "adamw" },
    clipNorm = 1,
    precision,
    model,
    batch: size,
  }: RunConfig,
  { globalBatch }: BatchPlan,
): Identity {
  const { storage, lossScaling } = {
    lossScaling: undefined,
    ...(precision ?? { storage: "fp32" }),
  };
  return {
    ...(typeof schedule === "function" ? {} : prefix("schedule", schedule)),
    ...(typeof optimizer === "function" ? {} : prefix("optimizer", optimizer)),
    batch: globalBatch,
    ramp: size.ramp === undefined ? "none" : JSON.stringify(size.ramp),
    clipNorm,
    precision: storage,
    // A scale that follows overflows goes on from where it was.
    ...(lossScaling?.minimum === 0 && { lossScale: lossScaling.initial }),
    ...model.settings,
  };
}

const prefix = (name: string, fields: object): Identity =>
  Object.fromEntries(
    Object.entries(fields)
      .filter((field): field is [string, string | number] =>
        ["string", "number"].includes(typeof field[1]),
      )
      .map(([key, value]) => [`${name}.${key}`, value]),
  );

/** What a longer or shorter run, or one on another processor, changes: it is no other run for that. */
const FREE = new Set(["schedule.total", "bf16Products"]);

type Compared = Pick<RunConfig, "names" | "allowChanges">;

/**
 * The sentences on what `run` changes of the run that was saved in `folder`. What that did not save is not compared.
 * @throws UserError that names all changes which are not allowed.
 */
export function compareSettings(
  folder: string,
  saved: Pick<TrainingProgress, "identity" | "settings">,
  run: Identity,
  { names = {}, allowChanges = () => false }: Compared,
): readonly string[] {
  const before: Identity = { ...saved.settings, ...saved.identity };
  const changed = Object.keys(run).filter(
    (name) => before[name] !== undefined && before[name] !== run[name],
  );
  const refused = changed.filter((name) => !FREE.has(name) && !allowChanges(name));
  if (refused.length > 0) {
    const way = names["allowChanges"] ?? "allowChanges";
    throw new UserError(
      `${folder}: ${describeChanges(refused, before, run, names)}; ` +
        `give what it was trained with, or ${way} to go on with other settings`,
    );
  }
  return changed.length === 0 ? [] : [`changed ${listChanges(changed, before, run, names)}`];
}
