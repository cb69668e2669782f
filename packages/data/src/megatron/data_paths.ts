// The datasets of a run: one list that is split, or a list for each split.

import { UserError } from "@tessera/config";
import { parseDataPath } from "./blend.js";
import type { GptDataOptions } from "./gpt_data.js";

/** Words of `--data-path`, `--train-data-path`, `--valid-data-path` and `--test-data-path`; empty where not given. */
export interface DataPathFlags {
  readonly data: readonly string[];
  readonly train: readonly string[];
  readonly valid: readonly string[];
  readonly test?: readonly string[];
}

/**
 * The datasets that the flags name.
 *
 * @throws UserError unless either `data` is given, or `train` and perhaps others.
 */
export function chooseDataPaths(flags: DataPathFlags): GptDataOptions["paths"] {
  const { data, train, valid, test = [] } = flags;
  const isSeparate = train.length + valid.length + test.length > 0;
  if (data.length > 0 && isSeparate) {
    throw new UserError("--data-path: is split; give it, or the path of each split, not both");
  }
  if (isSeparate && train.length === 0) {
    throw new UserError(
      "--train-data-path: is needed where --valid-data-path or its like is given",
    );
  }
  const of = (words: readonly string[]) => (words.length === 0 ? [] : parseDataPath(words));
  return isSeparate ? { train: of(train), valid: of(valid), test: of(test) } : parseDataPath(data);
}
