// Nx runs a target again when something changes that it reads, and only then: a green from the cache is one that
// the same run would give.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { runNode } from "@tessera/testing";
import { namedPaths } from "./named_paths.js";

const ROOT = join(__dirname, "../..");

interface Inputs {
  readonly files: readonly string[];
  /** What runs before, and itself: `project:target`. */
  readonly tasks: readonly string[];
}
interface Project {
  readonly name: string;
  readonly root: string;
  readonly inputs: Readonly<Record<string, Inputs>>;
}

const { status, stdout, stderr } = runNode([join(__dirname, "../inputs.mjs")], {
  cwd: ROOT,
  maxBuffer: 2 ** 28,
});
if (status !== 0) throw new Error(stderr);
const projects = JSON.parse(stdout) as Project[];
const named = new Map(projects.map((project) => [project.name, project]));
const inputsOf = (task: string): ReadonlySet<string> => {
  const [, name, target] = /^(.+?):(.+)$/.exec(task)!;
  return new Set(named.get(`@tessera/${name!}`)!.inputs[target!]!.files);
};
const everyTask = (kinds: readonly string[]): string[] =>
  projects.flatMap(({ name, inputs }) =>
    kinds.filter((kind) => kind in inputs).map((kind) => `${name.slice(9)}:${kind}`),
  );
const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: ROOT,
  encoding: "utf8",
}).split("\n");

describe("what runs again after a change", () => {
  test.each([
    ["fixtures/golden/model.safetensors", "gpt-ddp:test", "its losses are compared with PyTorch's"],
    ["fixtures/hugging-face/llama/config.json", "checkpoint:test", "it loads this model"],
    ["jest.environment.mjs", "generation:test", "its tests run in it"],
    ["packages/data/fixtures/megatron/expected.json", "cli:test", "it reads Megatron's files"],
    ["packages/tokenizer/fixtures/tokens.json", "cli:test", "it reads texts and their tokens"],
    ["packages/tokenizer/README.md", "tokenizer:test", "it is a text to train on"],
    ["apps/tessera/src/main.ts", "gpt-ddp:test", "its ranks are started by the command line"],
    ["apps/tessera/src/main.ts", "pretrain-gpt:test", "its ranks are started by the command line"],
    ["packages/kernels-native/native/matmul.cc", "kernels-native:test", "it is what they test"],
    ["packages/kernels-native/native/matmul.cc", "gpt-ddp:test", "it trains on the native engine"],
    ["packages/kernels-native/native/pool.h", "gpt-ddp:build", "the addon is built before it"],
    ["packages/collectives-mpi/native/engine.cc", "gpt-ddp:test", "its ranks speak MPI"],
    ["packages/collectives-mpi/native/engine.cc", "pretrain-gpt:test", "its ranks speak MPI"],
    ["packages/collectives-mpi/src/programs/laws.ts", "cli:test", "it starts the program"],
    ["packages/layers/src/linear.ts", "gpt:test", "it computes with it"],
    ["packages/layers/src/linear.ts", "gpt-ddp:lint", "rules know types"],
    ["packages/layers/package.json", "gpt-ddp:lint", "it has the level of the package"],
    ["tools/lint/plugin.mjs", "gpt-ddp:lint", "it has rules"],
    ["packages/testing/src/processes.ts", "trainer:test", "its programs are started by it"],
    ["README.md", "tools:test", "its program is run"],
    ["packages/layers/README.md", "tools:test", "its program is run"],
    ["docs/training.md", "tools:test", "its commands are run"],
    ["examples/train_tiny.ts", "tools:test", "it is compiled and run"],
    ["tools/setup.mjs", "tools:test", "the workspace's commands are run"],
    ["apps/gpt-ddp/src/main.test.ts", "tools:test", "the paths in it are looked for"],
  ])("%s, %s: %s", (file, task) => {
    expect(tracked).toContain(file);
    expect([...inputsOf(task)]).toContain(file);
  });

  test.each([
    ["jest.config.mjs", ["test", "test:slow"]],
    ["jest.workers.cjs", ["test", "test:slow"]],
    ["package-lock.json", ["build", "lint", "test", "test:slow"]],
    ["tsconfig.base.json", ["build", "lint", "test", "test:slow"]],
    ["eslint.config.mjs", ["lint"]],
  ])("%s: %p of every project", (file, kinds) => {
    const tasks = everyTask(kinds);
    expect(tasks.length).toBeGreaterThanOrEqual(projects.length);
    expect(tasks.filter((task) => !inputsOf(task).has(file))).toEqual([]);
  });

  test.each([
    ["packages/layers/src/layers.test.ts", "gpt:test", "no other package runs it"],
    ["packages/layers/src/layers.test.ts", "gpt-ddp:build", "no other package is built from it"],
    ["packages/data/src/megatron/blend.test.ts", "gpt-ddp:test", "no other package runs it"],
    ["packages/checkpoint/src/sharded/overlaps.test.ts", "cli:test", "no other package runs it"],
    ["packages/layers/src/linear.ts", "mesh:test", "mesh is on a lower level"],
    ["packages/layers/README.md", "gpt-ddp:test", "only people read it"],
    ["docs/architecture.md", "layers:test", "only people read it"],
  ])("not %s, %s: %s", (file, task) => {
    expect(tracked).toContain(file);
    expect([...inputsOf(task)]).not.toContain(file);
  });
});

/** The files whose change makes `path` another: its own, or in a folder of builds, the sources. */
function originsOf(path: string): { files: string[]; build?: string } {
  const below = (folder: string) => (file: string) =>
    file === folder || file.startsWith(`${folder}/`) || file.startsWith(`${folder}.ts`);
  const built = projects.find(({ root }) => path.startsWith(`${root}/dist/`));
  if (built === undefined) return { files: tracked.filter(below(path)) };
  const inDist = path.slice(built.root.length + "/dist/".length).replace(/\.js$/, "");
  const source = inDist.startsWith("native") ? "native" : `src/${inDist}`;
  const files = tracked.filter(below(`${built.root}/${source}`));
  return {
    files: files.filter((file) => !file.endsWith(".test.ts")),
    build: `${built.name}:build`,
  };
}

/** What the sources of a project name outside of it. What holds the project too is only where paths begin. */
function namedElsewhere({ name, root }: Project): string[] {
  const sources = tracked.filter((file) => file.startsWith(`${root}/src/`) && /\.m?ts$/.test(file));
  const paths = sources.flatMap((file) => {
    const text = readFileSync(join(ROOT, file), "utf8");
    // The one path that a package names for the tests of others.
    const launches = name !== "@tessera/testing" && text.includes("launchRanks(");
    return [
      ...namedPaths(join(ROOT, file), text, join(ROOT, root), ROOT).map((path) =>
        relative(ROOT, path),
      ),
      ...(launches ? ["apps/tessera/dist/main.js"] : []),
    ];
  });
  return [...new Set(paths)].filter(
    (path) =>
      path !== "" &&
      !/^(\.\.|node_modules)(\/|$)/.test(path) &&
      !`${path}/`.startsWith(`${root}/`) &&
      !`${root}/`.startsWith(`${path}/`),
  );
}

describe("what a project's tests and programs name outside of it is an input", () => {
  // Named for the tests of others, which are asked for it above: the command line is on a higher level.
  const checked = projects.filter(({ name }) => name !== "@tessera/testing");
  const found = new Map(checked.map((project) => [project, namedElsewhere(project)]));

  test.each(checked.filter((project) => found.get(project)!.length > 0))("$name", (project) => {
    const { files, tasks } = project.inputs["test"]!;
    const missing = found.get(project)!.flatMap((path) => {
      const { files: origins, build } = originsOf(path);
      return [
        ...(build === undefined || tasks.includes(build) ? [] : [`${path}, by ${build}`]),
        ...origins.filter((origin) => !files.includes(origin)),
      ];
    });
    expect(missing).toEqual([]);
  });

  test("names are found however they are written", () => {
    const all = [...found].map(([{ name, root }, paths]) => [root || name, paths] as const);
    expect(Object.fromEntries(all)).toMatchObject({
      "apps/pretrain-gpt": expect.arrayContaining(["apps/tessera/dist/main.js"]),
      "apps/gpt-ddp": expect.arrayContaining(["fixtures/golden", "apps/tessera/dist/main.js"]),
      "apps/tessera": expect.arrayContaining([
        "packages/data/fixtures/megatron",
        "packages/collectives-mpi/dist/programs",
      ]),
      "packages/generation": expect.arrayContaining(["jest.environment.mjs"]),
    });
    const paths = (source: string) => namedPaths("/w/p/src/a.test.ts", source, "/w/p", "/w");
    expect(paths('const R = join(__dirname, "../.."); open(join(R, "docs", `${n}.md`));')).toEqual([
      "/w",
      "/w/docs",
    ]);
    expect(paths("run(new URL(`../../q/dist/${n}.js`, import.meta.url));")).toEqual(["/w/q/dist"]);
  });
});
