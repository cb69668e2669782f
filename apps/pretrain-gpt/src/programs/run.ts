// Runs the built program, as a user does.

import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDatasetWriter } from "@tessera/data/megatron";
import { runProgram } from "@tessera/testing";

export const MAIN = join(__dirname, "../../dist/main.js");
const LAUNCH = join(__dirname, "../../../tessera/dist/main.js");

export const words = (line: string): string[] => line.split(/\s+/).filter(Boolean);

const env = { ...process.env, OMP_NUM_THREADS: "1" };

const commandOf = (line: string): string[] => [process.execPath, MAIN, ...words(line)];

/** `command` where each process may have so many bytes of its own. */
const limited = (bytes: number, command: readonly string[]): string[] => [
  ...["bash", "-c", `ulimit -d ${Math.floor(bytes / 1024)}; exec "$@"`, "bash"],
  ...command,
];

const launched = (ranks: number, command: readonly string[]): string[] =>
  ranks === 1
    ? [...command]
    : [process.execPath, LAUNCH, "launch", "--nproc-per-node", String(ranks), "--", ...command];

export function run(line: string, ranks = 1, limitBytes?: number) {
  const command = commandOf(line);
  const [program, ...args] = launched(
    ranks,
    limitBytes === undefined ? command : limited(limitBytes, command),
  );
  return runProgram(program!, args, { env });
}

/** The same, but one rank gets SIGTERM, and no other does, once something shows in what they say. */
export async function stopRank(line: string, ranks: number, rank: number, once: RegExp) {
  const [program, ...args] = launched(ranks, commandOf(line));
  const child = spawn(program!, args, { env });
  let stdout = "";
  let isAsked = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    if (isAsked || !once.test(stdout)) return;
    isAsked = true;
    process.kill(processOf(line, rank), "SIGTERM");
  });
  const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { status, stdout };
}

/** The process that is `rank` of the run of `line`, among all of this machine. */
function processOf(line: string, rank: number): number {
  const mark = [MAIN, ...words(line)].join("\0");
  const read = (pid: string, file: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, "utf8");
    } catch {
      return ""; // it has ended, or is not ours to see
    }
  };
  const isIt = (pid: string): boolean =>
    read(pid, "cmdline").includes(mark) &&
    read(pid, "environ").includes(`\0OMPI_COMM_WORLD_RANK=${rank}\0`);
  return Number(
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .find(isIt),
  );
}

/** Ids that the dataset of `scratch` has: 0 to 63, and 64 at the end of documents. */
export const VOCABULARY = 64;

/** A folder with a dataset in Megatron's files in it. */
export function scratch() {
  const folder = mkdtempSync(join(tmpdir(), "tessera-pretrain-"));
  const at = (name: string): string => join(folder, name);
  const writer = createDatasetWriter(at("text_document"), "u16");
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
