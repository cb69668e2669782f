import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { runNode, scratchFolder } from "@tessera/testing";

const MAIN = join(__dirname, "../../dist/main.js");
const GOLDEN = join(__dirname, "../../../../fixtures/golden");

const model = scratchFolder("serve")("exported");

beforeAll(() => {
  const { stderr } = runNode([MAIN, "convert", GOLDEN, model, "--tokenizer", "bytes"]);
  expect(stderr).toBe("");
});

describe("tessera serve", () => {
  async function serve() {
    const args = [MAIN, "serve", "--model", model, "--port", "0", "--access-log"];
    const server = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(server, "exit");
    let printed = "";
    server.stdout.on("data", (bytes) => (printed += String(bytes)));
    await once(server.stdout, "data");
    const [, address] = /listening on (http:\S+)/.exec(printed)!;
    const ask = (body: object) =>
      fetch(`${address}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ prompt: "To be", ...body }),
      });
    return { server, ask, ended, printed: () => printed };
  }

  test("answers what tessera generate writes, and ends on Ctrl-C", async () => {
    const { server, ask, ended, printed } = await serve();
    const settings = { temperature: 1, top_k: 40, top_p: 0.9, seed: 7, max_tokens: 40 };
    const response = await ask({ ...settings, echo: true, model: "exported" });
    const { choices } = (await response.json()) as { choices: { text: string }[] };
    const flags = ["--temperature", "1", "--top-k", "40", "--top-p", "0.9", "--seed", "7"];
    const asked = ["--model", model, "--max-tokens", "40", "--prompt", "To be", ...flags];
    expect(`${choices[0]!.text}\n`).toBe(runNode([MAIN, "generate", ...asked]).stdout);
    server.kill("SIGINT");
    expect((await ended)[0]).toBe(130);
    const [, record] = printed().trim().split("\n");
    expect(JSON.parse(record!)).toMatchObject({ path: "/v1/completions", status: 200 });
  });

  test("finishes what was begun on SIGTERM, and ends well", async () => {
    const { server, ask, ended } = await serve();
    const streamed = await ask({ max_tokens: 400, stream: true });
    server.kill("SIGTERM");
    expect(await streamed.text()).toMatch(/"finish_reason":"length"[^]*data: \[DONE\]\n\n$/);
    expect((await ended)[0]).toBe(0);
  });

  test.each([
    [
      "to be reached by others without a key",
      ["--host", "0.0.0.0"],
      /set a key with --api-key-file/,
    ],
    ["a key file that is none", ["--api-key-file", "/nothing"], /cannot be read \(ENOENT\)/],
    ["an origin with a path", ["--allowed-origins", "https://a.example/b"], /must be as https/],
    ["a template that is not there", ["--chat-template", "/nothing"], /\/nothing: .*ENOENT/],
  ])("refuses %s in a sentence", (_name, args, said) => {
    const { status, stderr } = runNode([MAIN, "serve", "--model", model, ...args]);
    expect(stderr).toMatch(said);
    expect(status).toBe(2);
  });
});
