// What this machine's MPI is. MPI starts once in a process, and where it does not it may end it: so it is
// asked in a process of its own.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { UserError } from "@tessera/config";
import { findAddon, type Survey } from "./addon.js";

const PROGRAM = fileURLToPath(new URL("../dist/survey_program.js", import.meta.url));
const PATIENCE_MS = 20_000;

/** Null where no MPI engine is built; throws a UserError where MPI does not start. */
export function surveyMpi(): Survey | null {
  if (findAddon() === null) return null;
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM], {
    encoding: "utf8",
    timeout: PATIENCE_MS,
    killSignal: "SIGKILL",
  });
  if (status === 0) return JSON.parse(stdout) as Survey;
  const said = stderr.split("\n").findLast((line) => /\w/.test(line));
  throw new UserError(`MPI does not start: ${said ?? `its process ended with code ${status}`}`);
}
