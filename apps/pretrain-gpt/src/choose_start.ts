// Where a run starts: from a checkpoint, or anew. Neither is done without a word, and nothing of another run is replaced.

import { resolve } from "node:path";
import { findCheckpoint, isCheckpointOf, latestCheckpoint } from "@tessera/checkpoint";
import { UserError } from "@tessera/config";
import type { Flags } from "./flags.js";
import { modelToFinetune, pretrainedFolder } from "./pretrained.js";

/**
 * The checkpoint that --load names; undefined for a run that starts anew.
 * @throws UserError where --load names what has none and is not the run's own --save, or --save has those of another run.
 */
export function chooseStart(flags: Flags): string | undefined {
  const { load, save } = flags;
  const isFresh = load === undefined || modelToFinetune(flags) !== undefined;
  const found = isFresh ? undefined : findCheckpoint(load).path;
  if (found === undefined) refuseMissing(flags);
  const older = save === undefined ? undefined : latestCheckpoint(save);
  const isOwn = found !== undefined && save !== undefined && isCheckpointOf(found, save);
  if (older !== undefined && !isOwn) {
    throw new UserError(
      `--save ${save!}: has ${older} of another run already; add --load ${save!} to go on from it, ` +
        "or choose another folder",
    );
  }
  return found;
}

function refuseMissing(flags: Flags): void {
  const { load, save, "exit-on-missing-checkpoint": isNeeded } = flags;
  if (modelToFinetune(flags) !== undefined) return;
  if (isNeeded) {
    throw new UserError(
      `--exit-on-missing-checkpoint: there is none in --load ${load ?? "(not given)"}`,
    );
  }
  if (load === undefined) return;
  const content = findCheckpoint(load);
  // A job that is queued again and again names the same folder for both from its first start on.
  const isOwn = save !== undefined && resolve(save) === resolve(load);
  if (content.kind === "checkpoint" || (content.kind === "nothing" && isOwn)) return;
  const isModel = content.kind === "model";
  const advice = isModel ? `; --finetune starts from its weights` : "";
  throw new UserError(`--load ${load}: ${content.why}${advice}`);
}

/** One line on what was loaded. */
export function describeStart(flags: Flags, resume: string | undefined, step: number): string {
  const { load } = flags;
  const pretrained = pretrainedFolder(flags);
  if (resume !== undefined) return `loaded ${resume}: ${partOf(flags, step)}`;
  if (pretrained !== undefined) {
    const adapters = flags.adapter === undefined ? "" : `, and the adapters in ${flags.adapter}`;
    return `loaded ${pretrained}: its weights alone${adapters}`;
  }
  const why = load === undefined ? "--load is not given" : `${load} has no checkpoint yet`;
  return `loaded nothing, as ${why}: training starts anew`;
}

function partOf(flags: Flags, step: number): string {
  if (flags.finetune) return "its weights alone, training starts at step 0";
  if (flags["no-load-optim"]) return `resume from step ${step}, with a fresh optimizer`;
  return `resume from step ${step}`;
}
