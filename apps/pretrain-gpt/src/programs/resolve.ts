// What a command line resolves to, without running it.

import { parseFlags } from "@tessera/config";
import { arrange } from "../arguments.js";
import { configure } from "../deepspeed.js";
import { program } from "../flags.js";
import { describeTaken } from "../foreign.js";
import { chooseRun } from "../run_config.js";
import { vocabularyOf } from "../vocabulary.js";

/** The run of `line` on `ranks` ranks, and what the user is told. Throws what the program would say. */
export function resolveLine(line: string, ranks = 1) {
  const parsed = parseFlags(program, arrange(line.split(/\s+/).filter(Boolean)));
  if ("answer" in parsed) throw new Error("asked for help");
  const { flags, notes, origins } = configure(parsed.values, parsed.given);
  const run = chooseRun(flags, ranks, vocabularyOf(flags), origins);
  return { flags, run, notes: [...run.notes, ...describeTaken(parsed.idle), ...notes] };
}
