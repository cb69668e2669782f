// Which datasets a run reads: one list that is split, or a list for each part.

import { UserError } from "@tessera/config";
import { parseDataPath } from "./blend.js";
import type { GptDataOptions } from "./gpt_data.js";

/** The words of `--data-path`, and of `--train-data-path` and its fellows; empty where not given. */
export interface DataPathFlags {
  readonly data: readonly string[];
  readonly train: readonly string[];
  readonly valid: readonly string[];
  readonly test?: readonly string[];
}

/** Throws a UserError unless either `data` is given, or `train` and perhaps others. */
export function chooseDataPaths(flags: DataPathFlags): GptDataOptions["paths"] {
  const { data, train, valid, test = [] } = flags;
  const isApart = train.length + valid.length + test.length > 0;
  if (data.length > 0 && isApart) {
    throw new UserError("--data-path: is split; give it, or each part's own path, not both");
  }
  if (isApart && train.length === 0) {
    throw new UserError(
      "--train-data-path: is needed where --valid-data-path or its like is given",
    );
  }
  const of = (words: readonly string[]) => (words.length === 0 ? [] : parseDataPath(words));
  return isApart ? { train: of(train), valid: of(valid), test: of(test) } : parseDataPath(data);
}
