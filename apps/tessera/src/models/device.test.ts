// What --device says and refuses. What ONNX Runtime computes on is tested in @tessera/generation.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import { runNode, scratchFolder } from "@tessera/testing";

const MAIN = join(__dirname, "../../dist/main.js");
const GOLDEN = join(__dirname, "../../../../fixtures/golden");

const scratch = scratchFolder("device");
const [exported, onnx, text] = [scratch("exported"), scratch("onnx"), scratch("text.txt")];
const tessera = (...args: string[]) => runNode([MAIN, ...args]);

beforeAll(() => {
  for (const args of [
    [GOLDEN, exported, "--tokenizer", "bytes"],
    [exported, onnx, "--to", "onnx"],
  ]) {
    expect(tessera("convert", ...args).stderr).toBe("");
  }
  writeFileSync(text, "To be, or not to be, that is the question. ".repeat(4));
});

test("generate and eval say on one line what computes, with --device and without", () => {
  for (const task of [
    ["generate", "--model", onnx, "--prompt", "To be", "--max-tokens", "8", "--seed", "1"],
    ["eval", "--model", onnx, "--text", text],
  ]) {
    const runs = [[], ["--device", "cpu"], ["--device", "CPU", "--engine", "onnx"]].map((flags) =>
      tessera(...task, ...flags),
    );
    for (const { status, stderr } of runs) {
      expect(status).toBe(0);
      expect(stderr.split("\n")[0]).toBe("onnx computes on cpu");
    }
    expect(new Set(runs.map(({ stdout }) => stdout)).size).toBe(1);
  }
  const other = tessera("generate", "--model", exported, "--prompt", "a", "--max-tokens", "2");
  expect(other.stderr).not.toContain("onnx");
});

test("serve says what computes before it listens", async () => {
  const args = [MAIN, "serve", "--model", onnx, "--device", "cpu", "--port", "0"];
  const server = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(server, "exit");
  let said = "";
  server.stderr.on("data", (bytes) => (said += String(bytes)));
  await once(server.stdout, "data");
  server.kill("SIGTERM");
  expect((await ended)[0]).toBe(0);
  expect(said).toBe("onnx computes on cpu\n");
});

/** A device that no build for this platform has. */
const foreign = process.platform === "linux" ? "dml" : "cuda";

test.each<[string, readonly string[], RegExp]>([
  [
    "another engine",
    ["--model", exported, "--engine", "wasm", "--device", "cpu"],
    /--device cpu: is for --engine onnx, and here wasm computes: leave it away, or .*--to onnx/,
  ],
  [
    "a model that is not ONNX",
    ["--model", exported, "--device", "webgpu"],
    /--device webgpu: is for --engine onnx, and here (native|wasm) computes/,
  ],
  [
    "what is no device",
    ["--model", onnx, "--device", "gpu"],
    /--device gpu: must be one of cpu, cuda, tensorrt, dml, coreml, webgpu/,
  ],
  [
    "what the installed build lacks",
    ["--model", onnx, "--device", foreign],
    /device \w+: is not in onnxruntime-node .*, which has cpu.*: choose one of these/,
  ],
])("generate and serve refuse --device with %s in a sentence", (_name, flags, said) => {
  for (const command of [["generate", "--prompt", "a"], ["serve"]]) {
    const { status, stdout, stderr } = tessera(...command, ...flags);
    expect(stderr).toMatch(said);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  }
});

test("the help and shells list the devices", () => {
  for (const command of ["generate", "serve"]) {
    const help = tessera(command, "--help").stdout.replace(/\s+/g, " ");
    expect(help).toMatch(/--device <NAME> .*\(default: cpu\): cpu, cuda, tensorrt, dml, coreml,/);
  }
  expect(tessera("completion", "bash").stdout).toMatch(/--device.*cuda tensorrt/s);
});
