// What npm installs for a user. Without a compiler: the binaries that fit, on which training computes; where they do
// not fit, it computes on wasm, and says why. With one and another MPI: the engine that is compiled against it.

import {
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  installPython,
  runNode,
  runProgram,
  scratchFolder,
  type ProcessResult,
} from "@tessera/testing";
import { installNode, versions } from "./nodes.js";
import { install, output, ROOT } from "./packed.js";
import { BINARIES, packRelease } from "./released.js";

const NATIVE = join(ROOT, "packages/kernels-native");
/** What a user has who has Node and a shell. */
const COMMANDS = ["node", "npm", "npx", "sh", "env"];

const scratch = scratchFolder("installed");
const project = scratch("project");
const binaries = join(project, "node_modules", BINARIES);
const env = { PATH: scratch("bin"), HOME: scratch("home") };

const { compiler, level, missing } = JSON.parse(
  output(runNode([join(NATIVE, "native/toolchain.mjs")])),
) as { compiler: string | null; level: string; missing: string[] };
const canBuild = compiler !== null && missing.length === 0 && BINARIES.endsWith("-linux-x64");

/** Trains in the project, into a folder of its own. */
const train = (flags: string, node = "node"): ProcessResult => {
  const app = join(project, "node_modules/@tessera/gpt-ddp/dist/main.js");
  const into = scratch(`outputs-${(runs += 1)}`);
  const words = `--text text.txt --model tiny --max_len 16 --output_dir ${into} ${flags}`;
  return runProgram(node, [app, ...words.split(" ")], { cwd: project, env });
};
let runs = 0;

let tarball: string;

beforeAll(() => {
  for (const folder of Object.values(env)) mkdirSync(folder);
  for (const command of COMMANDS) {
    const found = output(runProgram("sh", ["-c", `command -v ${command}`])).trim();
    symlinkSync(
      command === "node" ? process.execPath : realpathSync(found),
      join(env.PATH, command),
    );
  }
  const packed = packRelease(scratch("release"), level);
  // npm finds its registry and its cache in the environment.
  install(project, ["@tessera/gpt-ddp", "@tessera/cli"], packed, {
    ...process.env,
    PATH: env.PATH,
  });
  tarball = packed.get(BINARIES)!.tarball;
  writeFileSync(join(project, "text.txt"), "to be or not to be, that is the question. ".repeat(99));
});

const INSTALLED = join(project, "node_modules/@tessera");
/** Both MPIs, and an engine of this clone's that is built on Open MPI. */
const MPICH = "mpiexec.mpich";
const OPEN_MPI = "mpirun.openmpi";
const hasBoth = [MPICH, OPEN_MPI, "mpicxx.mpich"].every(
  (name) => runProgram("sh", ["-c", `command -v ${name}`]).status === 0,
);

/** Each logged loss of the run in a folder. */
function lossesIn(folder: string): readonly number[] {
  const lines = readFileSync(join(folder, "metrics.jsonl"), "utf8").trim().split("\n");
  const losses = lines.map((line) => (JSON.parse(line) as { loss?: number }).loss);
  return losses.filter((loss) => loss !== undefined);
}

(canBuild && hasBoth ? describe : describe.skip)("two MPIs on one machine", () => {
  /** Two ranks of a program of the project, whose engine is MPICH's, or of this clone's, whose is Open MPI's. */
  const launch = (mpirun: string, cli: string, words: readonly string[]): ProcessResult => {
    const ranks = ["--mpirun", mpirun, "--nproc-per-node", "2", "--", process.execPath, ...words];
    return runNode([cli, "launch", ...ranks], { cwd: project });
  };
  const ofMpich = join(INSTALLED, "cli/dist/main.js");
  const ofOpenMpi = join(ROOT, "apps/tessera/dist/main.js");
  const lossesOf = (mpirun: string, cli: string, app: string): readonly number[] => {
    const into = scratch(mpirun);
    const words = `--text text.txt --model tiny --max_len 16 --max_steps 4 --backend wasm --output_dir ${into}`;
    const ended = launch(mpirun, cli, [app, ...words.split(" "), "--sample_len", "0"]);
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    return lossesIn(into);
  };

  beforeAll(() => {
    const script = join(INSTALLED, "collectives-mpi/native/build.mjs");
    const mpich = { env: { ...process.env, MPICXX: "mpicxx.mpich" } };
    output(runNode([script, "--required"], mpich));
  });

  test("MPICH's ranks keep the laws of collectives", () => {
    const { status, stdout, stderr } = launch(MPICH, ofMpich, [ofMpich, "check-ranks"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.match(/rank [01] of 2 on .*, MPICH \S+: \d+ results are right/g)).toHaveLength(2);
  });

  // Only so does UCX, on which MPICH is built, take a page that is in use.
  test("a rank whose heap cannot grow starts on MPICH", () => {
    const [source, boxIn] = [scratch("box_in.c"), scratch("box_in.so")];
    writeFileSync(
      source,
      `#define _GNU_SOURCE
      #include <stdlib.h>
      #include <sys/mman.h>
      #include <unistd.h>
      __attribute__((constructor)) static void boxIn(void) {
        free(malloc(1));
        const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
        if (mmap(sbrk(0), 4096, PROT_NONE, flags, -1, 0) != sbrk(0)) abort();
      }`,
    );
    output(runProgram("cc", ["-shared", "-fPIC", "-o", boxIn, source]));
    const rank = [process.execPath, ofMpich, "check-ranks"];
    const boxedIn = ["env", `LD_PRELOAD=${boxIn}`, ...rank];
    const ranks = ["-n", "1", ...boxedIn, ":", "-n", "1", ...rank];
    const { status, stdout, stderr } = runProgram(MPICH, ranks, { cwd: project });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.match(/rank [01] of 2 on .*: \d+ results are right/g)).toHaveLength(2);
  });

  test("two ranks train on MPICH as on Open MPI, to the bit", () => {
    const here = lossesOf(MPICH, ofMpich, join(INSTALLED, "gpt-ddp/dist/main.js"));
    expect(here.length).toBeGreaterThan(0);
    expect(lossesOf(OPEN_MPI, ofOpenMpi, join(ROOT, "apps/gpt-ddp/dist/main.js"))).toEqual(here);
  });

  test.each([
    [MPICH, ofOpenMpi, "Open MPI"],
    [OPEN_MPI, ofMpich, "MPICH"],
  ])("under %s an engine that is built on another MPI says so", (mpirun, cli, library) => {
    const { status, stderr } = launch(mpirun, cli, [cli, "check-ranks"]);
    expect(status).toBe(2);
    const says = new RegExp(
      `says rank [01] of 2, but ${library} .*, which the MPI engine is built on, says rank 0 of 1: .* build the ` +
        "engine on the launcher's MPI",
    );
    for (const line of stderr.trim().split("\n")) expect(line).toMatch(says);
  });

  describe("and a TensorFlow that pip installed", () => {
    const app = join(INSTALLED, "gpt-ddp/dist/main.js");
    const text = join(ROOT, "README.md");
    /** Losses of eight rows a step, and what is printed. */
    const trained = (backend: string, ranks: number, node = process.execPath) => {
      const into = scratch(`${backend}-${ranks}-${(runs += 1)}`);
      const words =
        `--text ${text} --model tiny --max_len 32 --max_steps 4 --logging_steps 1 --sample_len 0 ` +
        `--per_device_train_batch_size ${8 / ranks} --backend ${backend} --output_dir ${into}`;
      const program = [app, ...words.split(" ")];
      const ended =
        ranks === 1 ? runProgram(node, program, { cwd: project }) : launch(MPICH, ofMpich, program);
      return { losses: lossesIn(into), stdout: output(ended) };
    };
    const expectClose = (actual: readonly number[], expected: readonly number[]) => {
      expect(actual).toHaveLength(expected.length);
      actual.forEach((loss, i) => expect(Math.abs(loss / expected[i]! - 1)).toBeLessThan(1e-4));
    };

    beforeAll(() => {
      const environment = dirname(dirname(installPython([], ["tensorflow-cpu==2.21.0"])));
      const built = runNode([ofMpich, "build-engines", "--tensorflow", environment], {
        cwd: project,
      });
      expect([built.status, built.stdout]).toEqual([
        0,
        expect.stringMatching(
          /TensorFlow 2\.21\.0, built for processors; no GPU, so processors compute/,
        ),
      ]);
    });

    test("trains real text on one rank and on two as the native engine does", () => {
      const native = trained("native", 1);
      const alone = trained("tensorflow", 1);
      expect(native.losses).toHaveLength(4);
      expect(alone.stdout).toMatch(/on tensorflow, threads of each rank: \d+/);
      expectClose(alone.losses, native.losses);
      expectClose(trained("tensorflow", 2).losses, native.losses);
    });

    test.each(versions)("trains under Node %s", (version) => {
      const { losses } = trained("tensorflow", 1, installNode(version));
      expectClose(losses, trained("native", 1).losses);
    });

    test("doctor says what computes", () => {
      const { stdout } = runNode([ofMpich, "doctor"], { cwd: project });
      expect(stdout).toMatch(
        /TensorFlow.*2\.21\.0, built for processors, on processors: it sees no GPU/,
      );
    });
  });
});

(canBuild ? describe : describe.skip)("a machine without a compiler", () => {
  test("has none", () => {
    for (const command of ["cc", "c++", "g++", "cmake", "make", "ld"]) {
      expect(runProgram("sh", ["-c", `command -v ${command}`], { env }).status).not.toBe(0);
    }
  });

  test("shows the command's help", () => {
    // Else npm may tell of a newer one.
    const quiet = { ...env, npm_config_update_notifier: "false" };
    const ended = runProgram("npx", ["tessera-gpt-ddp", "--help"], { cwd: project, env: quiet });
    expect(ended).toMatchObject({ status: 0, stderr: "", stdout: expect.stringMatching(/usage/i) });
  });

  test("trains on the native engine, and writes text", () => {
    const { status, stdout, stderr } = train("--max_steps 50 --sample_len 8");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("on native");
    expect(stdout).toMatch(/step +50\b/);
  });

  test.each(versions)("trains on the native engine under Node %s", (version) => {
    const node = installNode(version);
    const { status, stdout } = train("--max_steps 2 --sample_len 0", node);
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringContaining("on native") });
  });

  test("loads oneDNN and OpenMP of the package, and no OpenCL", () => {
    const program = `
      import { loadNative } from "@tessera/kernels-native";
      loadNative(process.env);
      console.log(JSON.stringify(process.report.getReport().sharedObjects));`;
    const words = ["--input-type=module", "-e", program];
    const loaded = JSON.parse(output(runNode(words, { cwd: project, env }))) as string[];
    const named = loaded.filter((file) => /tessera|dnnl|gomp|OpenCL/.test(basename(file)));
    expect(named.map((file) => dirname(file))).toEqual(named.map(() => binaries));
    expect(named.map((file) => basename(file).replace(/[-.].*/, "")).sort()).toEqual([
      "libdnnl",
      "libgomp",
      "tessera",
    ]);
  });

  test("gets licences, no compiler's input, and what publint accepts", () => {
    const inspect = join(ROOT, "tools/release/inspect.mjs");
    const printed = output(runNode([inspect, `${BINARIES}=${tarball}`]));
    expect(JSON.parse(printed)).toEqual({ [BINARIES]: [] });
    expect(readdirSync(binaries).sort()).toEqual(
      [
        ...["LICENSE", "README.md", "libdnnl.so.3", "libgomp.so.1", "licenses", "package.json"],
        `tessera-${level}.node`,
      ].sort(),
    );
    expect(readdirSync(join(binaries, "licenses")).sort()).toEqual([
      "README.md",
      "onednn-LICENSE",
      "onednn-THIRD-PARTY-PROGRAMS",
    ]);
  });

  test("computes on wasm where the binaries do not fit, and says why", () => {
    const reasonNow = (): string => {
      const { status, stdout } = train("--max_steps 1 --sample_len 0");
      expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringContaining("on wasm") });
      return /^native engine: .*, so the slower wasm computes; .*build-engines.*/m.exec(stdout)![0];
    };
    const manifest = join(binaries, "package.json");
    const text = readFileSync(manifest, "utf8");
    writeFileSync(manifest, text.replace(/"glibc": "[\d.]+"/, `"glibc": "2.99"`));
    expect(reasonNow()).toMatch(
      /kernels-native-linux-x64 needs glibc 2\.99, and this machine has glibc 2/,
    );
    writeFileSync(manifest, text);
    rmSync(join(binaries, "libdnnl.so.3"));
    expect(reasonNow()).toMatch(/tessera-\w+\.node does not load: .*libdnnl\.so\.3/);
    rmSync(binaries, { recursive: true });
    expect(reasonNow()).toContain(`it is not built here, and ${BINARIES} is not installed`);
  });
});
