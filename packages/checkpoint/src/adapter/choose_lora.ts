// Which adapters a run trains: those of a folder, or fresh ones.

import { UserError } from "@tessera/config";
import type { GptConfig } from "@tessera/gpt";
import { loraConfig, type LoraConfig } from "@tessera/gpt/lora";
import { openModel, type OpenModel } from "../hugging_face/open_model.js";
import { readAdapterConfig, withAdapter, withFreshLora } from "./adapted_model.js";

/** What a user asks for: the flags that programs share have these names. */
export interface AdaptRequest {
  /** Asks for fresh adapters of that rank. */
  readonly rank?: number | undefined;
  readonly alpha?: number | undefined;
  readonly rankStabilized: boolean;
  readonly dropout?: number | undefined;
  /** Empty for all linear layers. */
  readonly targets: readonly string[];
  /** A folder with adapters to go on from. */
  readonly adapter?: string | undefined;
}

/** What the user calls the fields of a request. */
export type AdaptNames = { readonly [K in keyof AdaptRequest]-?: string };

/**
 * The adapters that are asked for of a model of `config`; undefined where none are.
 * @throws UserError that names what contradicts what, or cannot be.
 */
export function chooseLora(
  config: GptConfig,
  asked: AdaptRequest,
  names: AdaptNames,
): LoraConfig | undefined {
  const { rank, alpha, rankStabilized, dropout, targets, adapter } = asked;
  const given = {
    alpha: alpha !== undefined,
    rankStabilized,
    targets: targets.length > 0,
  };
  const other = (["alpha", "rankStabilized", "targets"] as const).find((name) => given[name]);
  if (adapter !== undefined) {
    const said = rank === undefined ? other : "rank";
    if (said === undefined) {
      const lora = readAdapterConfig(adapter, config);
      return { ...lora, dropout: dropout ?? lora.dropout };
    }
    throw new UserError(
      `--${names[said]}: the adapters in --${names.adapter} ${adapter} say it; leave it out`,
    );
  }
  if (rank !== undefined) {
    const all = targets.length === 0 ? {} : { targets };
    return loraConfig({ rank, alpha, rankStabilized, dropout, ...all }, config.activation);
  }
  const alone = other ?? (dropout === undefined ? undefined : "dropout");
  if (alone === undefined) return undefined;
  throw new UserError(`--${names[alone]}: goes with --${names.rank}; add it`);
}

/** The model in `folder` with the adapters `lora`, which `chooseLora` returned: of a folder, or a function of `seed`. */
export function openToAdapt(
  folder: string,
  lora: LoraConfig,
  { adapter, seed }: { readonly adapter?: string | undefined; readonly seed: number },
): OpenModel {
  const model = openModel(folder);
  try {
    return adapter === undefined ? withFreshLora(model, lora, seed) : withAdapter(model, adapter);
  } catch (error) {
    model.close();
    throw error;
  }
}
