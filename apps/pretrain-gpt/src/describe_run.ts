// What this program would train, as a value: for `tessera verify`.

import { parseFlags, UserError } from "@tessera/config";
import type { GptParams } from "@tessera/gpt";
import type { RunConfig } from "@tessera/trainer";
import { arrange } from "./arguments.js";
import { takeCheckpointArgs } from "./checkpoint_args.js";
import { configure } from "./deepspeed.js";
import { program } from "./flags.js";
import { chooseRun } from "./run_config.js";
import { vocabularyOf } from "./vocabulary.js";

/**
 * The run of these words of a command line, on so many ranks.
 * @throws UserError as the program does.
 */
export function describeRun(words: readonly string[], ranks: number): RunConfig<GptParams> {
  const parsed = parseFlags(program, arrange(words));
  if ("answer" in parsed) throw new UserError("--help, --version: describe no run; leave them out");
  const { flags, origins } = configure(takeCheckpointArgs(parsed.values), parsed.given);
  return chooseRun(flags, ranks, vocabularyOf(flags), origins).config;
}
