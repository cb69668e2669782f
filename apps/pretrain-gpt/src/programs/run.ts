// Runs the built program, as a user does.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { datasetWriter } from "@tessera/data";

export const MAIN = join(__dirname, "../../dist/main.js");
const LAUNCH = join(__dirname, "../../../tessera/dist/main.js");

export const words = (line: string): string[] => line.split(/\s+/).filter(Boolean);

export function run(line: string, ranks = 1) {
  const program = [MAIN, ...words(line)];
  const launched = [LAUNCH, "launch", "--nproc-per-node", String(ranks), "--", "node", ...program];
  const { status, stdout, stderr } = spawnSync(process.execPath, ranks === 1 ? program : launched, {
    encoding: "utf8",
    timeout: 120_000,
    env: { ...process.env, OMP_NUM_THREADS: "1" },
  });
  return { status, stdout, stderr };
}

/** Ids that the dataset of `scratch` has: 0 to 63, and 64 at the end of documents. */
export const VOCABULARY = 64;

/** A folder with a dataset in Megatron's files in it. */
export function scratch() {
  const folder = mkdtempSync(join(tmpdir(), "tessera-pretrain-"));
  const at = (name: string): string => join(folder, name);
  const writer = datasetWriter(at("text_document"), "u16");
  for (let i = 0; i < 200; i += 1) {
    const tokens = Array.from({ length: 9 + (i % 13) }, (_, n) => (7 * i + n * n) % VOCABULARY);
    writer.append([...tokens, VOCABULARY]);
    writer.endDocument();
  }
  writer.finish();
  const data = `--data-path ${at("text_document")} --tokenizer-type NullTokenizer --vocab-size ${VOCABULARY}`;
  return { at, data, remove: () => rmSync(folder, { recursive: true }) };
}

/** Step and loss of every line of training, with the digits that it shows. */
export const lossesIn = (stdout: string): [step: number, loss: number][] =>
  [...stdout.matchAll(/iteration +(\d+)\/.* lm loss: (\S+) /g)].map(([, step, loss]) => [
    Number(step),
    Number(loss),
  ]);
