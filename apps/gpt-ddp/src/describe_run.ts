// What this program would train, as a value: for `tessera verify`.

import { parseFlags, UserError } from "@tessera/config";
import type { GptParams } from "@tessera/gpt";
import type { RunConfig } from "@tessera/trainer";
import { configure } from "./deepspeed.js";
import { program } from "./flags.js";
import { chooseRun } from "./run_config.js";

/**
 * The run of these words of a command line, on so many ranks.
 * @throws UserError as the program does.
 */
export async function describeRun(
  words: readonly string[],
  ranks: number,
): Promise<RunConfig<GptParams>> {
  const parsed = parseFlags(program, words);
  if ("answer" in parsed) throw new UserError("--help, --version: describe no run; leave them out");
  const { config } = await chooseRun(configure(parsed.values, parsed.given), ranks);
  return config;
}
