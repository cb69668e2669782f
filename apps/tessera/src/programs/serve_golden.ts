// `tessera serve` with the golden model, as a process of its own.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { runNode } from "@tessera/testing";

const MAIN = join(__dirname, "../../dist/main.js");
const GOLDEN = join(__dirname, "../../../../fixtures/golden");

export interface ServedGolden {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly url: string;
  readonly port: number;
  /** Ends it by SIGTERM. Resolves with its exit code. */
  stop(): Promise<unknown>;
}

/** Writes the model, with the tokenizer of bytes, to `folder`, and serves it on a free port. */
export async function serveGolden(
  folder: string,
  ...flags: readonly string[]
): Promise<ServedGolden> {
  const { status, stderr } = runNode([MAIN, "convert", GOLDEN, folder, "--tokenizer", "bytes"]);
  if (status !== 0) throw new Error(stderr);
  const args = [MAIN, "serve", "--model", folder, "--port", "0", ...flags];
  const server = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(server, "exit");
  const [line] = (await once(server.stdout, "data")) as [Buffer];
  const [, url = "", port] = /listening on (http:.*:(\d+))/.exec(line.toString()) ?? [];
  return {
    process: server,
    pid: server.pid!,
    url,
    port: Number(port),
    async stop() {
      server.kill("SIGTERM");
      return (await ended)[0] as unknown;
    },
  };
}
