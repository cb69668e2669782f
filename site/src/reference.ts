// Writes the API reference, docs/api, from the doc comments of what packages export.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Application } from "typedoc";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PACKAGES = join(ROOT, "packages");
const BUILD = join(ROOT, "site/build");
const OUTPUT = join(ROOT, "docs/api");

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly exports?: Readonly<Record<string, string | { readonly types: string }>>;
}

/** What users import, by source. */
function entryPoints(): Map<string, string> {
  const entries = new Map<string, string>();
  for (const folder of readdirSync(PACKAGES)) {
    const manifest = JSON.parse(
      readFileSync(join(PACKAGES, folder, "package.json"), "utf8"),
    ) as Manifest;
    if (manifest.private === true) continue;
    for (const [path, target] of Object.entries(manifest.exports ?? {})) {
      if (typeof target === "string") continue;
      const source = target.types.replace("./dist/", "src/").replace(".d.ts", ".ts");
      entries.set(join(PACKAGES, folder, source), manifest.name + path.slice(1));
    }
  }
  return entries;
}

/** The name that TypeDoc gives to a module: its path below the folder that all have in common. */
const moduleName = (source: string): string =>
  relative(PACKAGES, source).replace(/(\/index)?\.ts$/, "");

/** One program of all sources, in which packages import each other's sources, so that the reference has links. */
function writeTsconfig(entries: ReadonlyMap<string, string>): string {
  const file = join(BUILD, "tsconfig.reference.json");
  const config = {
    extends: join(ROOT, "tsconfig.base.json"),
    compilerOptions: {
      noEmit: true,
      composite: false,
      typeRoots: [join(ROOT, "node_modules/@types")],
      paths: Object.fromEntries([...entries].map(([source, name]) => [name, [source]])),
    },
    files: [...entries.keys()],
  };
  mkdirSync(BUILD, { recursive: true });
  writeFileSync(file, JSON.stringify(config));
  return file;
}

/** The anchors of a page: of its headings, as the site numbers those that repeat, and those written in tables. */
function anchorsOf(page: string): Set<string> {
  const anchors = new Set([...page.matchAll(/<a id="([^"]+)"/g)].map(([, id]) => id!));
  for (const [, heading] of page.matchAll(/^#+ (.+)$/gm)) {
    const slug = heading!.toLowerCase().replaceAll(/[^\w-]/g, "");
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${slug}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The plugin numbers some names that stand only once: links to `name-1` where a page has `name` alone. */
function mendAnchors(): void {
  const files = readdirSync(OUTPUT, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(OUTPUT, name));
  const anchors = new Map(files.map((file) => [file, anchorsOf(readFileSync(file, "utf8"))]));
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    const mended = text.replaceAll(
      /\]\(([^()\s#]*)#([\w-]+)-1\)/g,
      (link, path: string, name: string) => {
        const there = anchors.get(path === "" ? file : join(dirname(file), path));
        const isDead = there !== undefined && !there.has(`${name}-1`) && there.has(name);
        return isDead ? `](${path}#${name})` : link;
      },
    );
    if (mended !== text) writeFileSync(file, mended);
  }
}

const entries = entryPoints();
// Options of the plugin are beside TypeDoc's own.
const layout = {
  router: "module",
  entryFileName: "index",
  hidePageHeader: true,
  hideBreadcrumbs: true,
  useCodeBlocks: true,
  sanitizeComments: true,
  parametersFormat: "table",
  interfacePropertiesFormat: "table",
  propertyMembersFormat: "table",
  typeDeclarationFormat: "table",
};
const app = await Application.bootstrapWithPlugins({
  entryPoints: [...entries.keys()],
  tsconfig: writeTsconfig(entries),
  plugin: ["typedoc-plugin-markdown"],
  readme: "none",
  name: "API reference",
  logLevel: "Error",
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  disableSources: true,
  outputs: [{ name: "markdown", path: OUTPUT }],
  ...layout,
});
const project = await app.convert();
if (project === undefined) throw new Error("the sources of the packages cannot be read");
const names = new Map([...entries].map(([source, name]) => [moduleName(source), name]));
for (const module of project.children ?? []) {
  module.name = names.get(module.name) ?? module.name;
}
await app.generateOutputs(project);
mendAnchors();
// The links of its index, for the site's navigation.
const index = readFileSync(join(OUTPUT, "index.md"), "utf8");
const sidebar = [...index.matchAll(/\[(.+?)\]\((.+?)\.md\)/g)].map(([, text, path]) => ({
  text,
  link: `/api/${path!}`,
}));
writeFileSync(join(OUTPUT, "sidebar.json"), JSON.stringify(sidebar));
process.stdout.write(`the reference of ${sidebar.length} entry points is in docs/api\n`);
