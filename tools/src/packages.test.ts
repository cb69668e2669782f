// Each package alone, as its users get it: packed, installed into an empty folder, imported, and
// type-checked against.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";

const ROOT = join(__dirname, "../..");
const TSC = join(ROOT, "node_modules/@typescript/native/bin/tsc");

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly engines: { readonly node: string };
  readonly exports?: Readonly<Record<string, unknown>>;
}

const readManifest = (folder: string) =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

const folders = ["packages", "apps"].flatMap((kind) =>
  readdirSync(join(ROOT, kind)).map((name) => join(ROOT, kind, name)),
);

let scratch: string;
/** The file: address of each package's tarball, by its name. */
let tarballs: Record<string, string>;

const npm = (args: readonly string[], cwd: string): string =>
  execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "tessera-packages-"));
  const packed = folders.map((folder) => {
    const [entry] = JSON.parse(
      npm(["pack", "--json", "--ignore-scripts", "--pack-destination", scratch], folder),
    ) as { name: string; filename: string }[];
    return [entry!.name, `file:${join(scratch, entry!.filename)}`] as const;
  });
  tarballs = Object.fromEntries(packed);
}, 120_000);
afterAll(() => rmSync(scratch, { recursive: true }));

/** An empty project with `name` and what that depends on. */
function install(name: string): string {
  const project = join(scratch, name.replace("/", "-"));
  mkdirSync(project);
  const { [name]: own, ...others } = tarballs;
  const manifest = {
    private: true,
    type: "module",
    dependencies: { [name]: own, "@types/node": "^20.19.0" },
    overrides: others,
  };
  writeFileSync(join(project, "package.json"), JSON.stringify(manifest));
  npm(["install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"], project);
  return project;
}

const manifests = folders.map(readManifest);

test.each(manifests.filter((manifest) => manifest.exports))(
  "$name installs, imports and type-checks alone",
  ({ name, exports = {} }) => {
    const project = install(name);
    const entries = Object.keys(exports)
      .filter((path) => !path.endsWith(".json"))
      .map((path) => name + path.slice(1));
    expect(entries).not.toHaveLength(0);
    const lines = entries.map(
      (entry, i) => `import * as entry${i} from "${entry}";\nvoid entry${i};`,
    );
    const source = `${lines.join("\n")}\n`;
    writeFileSync(join(project, "use.mjs"), source);
    writeFileSync(join(project, "use.mts"), source);
    execFileSync(process.execPath, ["use.mjs"], { cwd: project, stdio: "pipe" });
    const options =
      "--noEmit --strict --module nodenext --target es2023 --skipLibCheck --types node";
    execFileSync(process.execPath, [TSC, ...options.split(" "), "use.mts"], {
      cwd: project,
      stdio: "pipe",
    });
    rmSync(project, { recursive: true });
  },
  180_000,
);

test("every package asks for the same Node, as they depend on each other", () => {
  const asked = new Set([readManifest(ROOT), ...manifests].map(({ engines }) => engines.node));
  expect(asked.size).toBe(1);
});

test("gpt-ddp installs alone and shows its help", () => {
  const project = install("@tessera/gpt-ddp");
  const help = execFileSync(join(project, "node_modules/.bin/tessera-gpt-ddp"), ["--help"], {
    encoding: "utf8",
  });
  expect(help).toContain("--per_device_train_batch_size");
}, 180_000);
