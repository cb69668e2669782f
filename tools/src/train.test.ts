// `npm run train`, after its set-up: it trains on the novel, goes on where it was, and says what comes next.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { runNode, scratchFolder } from "@tessera/testing";
import { ROOT } from "./packed.js";

const TOOLS = join(ROOT, "tools");
const at = scratchFolder("train");
const folder = at("own");
const unfinished = join(folder, "unfinished.json");

/** Writes a program of Node. */
const program = (name: string, source: string): string => {
  writeFileSync(at(name), source);
  return at(name);
};

const SIZES =
  "--model tiny --max_len 16 --sample_len 8 --logging_steps 1 " +
  "--validation_split 0 --per_device_train_batch_size 4";
const training = (flags: string): string =>
  program(
    "train.mjs",
    `
      import { train } from "${TOOLS}/train/train.mjs";
      const given = ${JSON.stringify(`${SIZES} ${flags}`.split(" "))};
      process.exitCode = await train(given, { isNative: true, folder: ${JSON.stringify(folder)} });
    `,
  );

const loggedSteps = () =>
  readFileSync(join(folder, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { step: number; loss?: number })
    .filter(({ loss }) => loss !== undefined)
    .map(({ step }) => step);

test("interrupted, the same command goes on where it was", async () => {
  const STEPS = 80;
  const command = training(`--max_steps ${STEPS}`);
  const child = spawn(process.execPath, [command], { stdio: ["ignore", "pipe", "inherit"] });
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (!shown.includes("step 2/") && (shown + text).includes("step 2/")) child.kill("SIGTERM");
    shown += text;
  });
  const [code] = (await once(child, "close")) as [number];
  expect({ code, shown }).toMatchObject({ code: 130 });
  expect(shown).toContain("the same command again goes on from there\n");
  const done = loggedSteps().length;
  expect(done).toBeLessThan(STEPS);
  const again = runNode([command]);
  expect(again).toMatchObject({ status: 0, stderr: "" });
  expect(again.stdout).toContain(`resume from step ${done}\n`);
  expect(loggedSteps()).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
  expect(existsSync(unfinished)).toBe(false);
});

test("another command trains anew, on the novel, and shows losses, a sample and three commands", () => {
  writeFileSync(unfinished, `["--max_steps","80"]`);
  const { status, stdout, stderr } = runNode([training("--max_steps 4")]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const lines = stdout.split("\n");
  expect(stdout).toContain("text   Moby-Dick");
  // With the lines of the set-up, fewer than 25 before it.
  expect(lines.findIndex((line) => line.startsWith("step 1/4"))).toBeLessThan(15);
  expect(stdout).toContain("--- a sample ---\nCall me ");
  expect(stdout).toMatch(/\nloss {3}5\.\d{3} at step 1, .*5\.\d{3} at step 4\n/);
  const commands = lines.filter((line) => line.startsWith("  npx tessera "));
  expect(commands.map((line) => line.split(" ")[4])).toEqual(["generate", "serve", "launch"]);
  expect(commands[2]).toContain("--per_device_train_batch_size 2 ");
  expect(commands[2]).toContain(`--output_dir ${folder}-two`);
});

test("what is in another folder is its owner's, whatever the flag is called", () => {
  const again = runNode([training(`--max_steps 4 --out-dir ${folder}`)]);
  expect(again.status).toBe(2);
  expect(again.stderr).toContain("--resume_from_checkpoint to go on");
});

test("a curve falls from the first loss to the last; a stage that fails names its log", () => {
  const source = `
    import { openLog, run, stage } from "${TOOLS}/setup.mjs";
    import { drawLosses, readLosses } from "${TOOLS}/train/loss_curve.mjs";
    const lines = [1, 11, 21].map((step) => JSON.stringify({ step, loss: 5 - step / 10 }));
    console.log(drawLosses(readLosses([...lines, '{"step":31,"lo'].join("\\n"))));
    console.log(JSON.stringify(drawLosses([{ step: 1, loss: 2 }])));
    const output = openLog();
    stage("a first", output, () => run(process.execPath, ["--eval", "console.log('noise')"], "no", { output }));
    stage("a second", output, () => run(process.execPath, ["--eval", "process.exit(3)"], "it failed", { output }));
  `;
  const { status, stdout, stderr } = runNode([program("curve.mjs", source)]);
  const lines = stdout.split("\n");
  expect(lines[0]).toMatch(/^ {2}4\.90 │• {0,}/);
  expect(lines[7]).toMatch(/^ {2}2\.90 │ +•+$/);
  // A straight line: eight rows of a mark each, which together are as wide as the axis.
  const marks = lines.slice(0, 8).join("").match(/•/g);
  expect(marks).toHaveLength(60);
  expect(lines[9]).toMatch(/^ {8}step 1 +21$/);
  expect(lines.slice(10)).toEqual([
    `""`,
    expect.stringMatching(/^a first \.\.\. \d+ s$/),
    "a second ... ",
    "",
  ]);
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: "tessera: it failed; its log is outputs/setup.log\n",
  });
});
