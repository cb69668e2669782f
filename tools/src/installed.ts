// What a package brings with it into a project: the packages that npm installs for it, and their bytes.

import { existsSync, linkSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { readManifest } from "./packed.js";

/** What npm installs for a package, itself included; optional peers are left out. */
export interface Footprint {
  readonly packages: number;
  readonly bytes: number;
}

/** Measures `name` in `project`, where it is installed. */
export function measureFootprint(project: string, name: string): Footprint {
  const folders = findAll(project, [name]);
  const bytes = folders.map(bytesOf).reduce((a, b) => a + b, 0);
  return { packages: folders.length, bytes };
}

/** The folders of the packages `names` and of all that they depend on, in `project`, where they are installed. */
function findAll(project: string, names: readonly string[]): readonly string[] {
  const folders = new Set<string>();
  const visit = (folder: string): void => {
    if (folders.has(folder)) return;
    folders.add(folder);
    for (const dependency of Object.keys(readManifest(folder).dependencies ?? {})) {
      visit(findInstalled(folder, dependency));
    }
  };
  for (const name of names) visit(join(project, "node_modules", name));
  return [...folders];
}

/** Makes the project `target`: of what is installed in `project`, it has what npm would install for `names` alone. */
export function installAlone(project: string, names: readonly string[], target: string): void {
  for (const folder of findAll(project, names)) {
    linkFiles(folder, join(target, relative(project, folder)));
  }
}

/** Links each file, without those of packages within; a link to the folder would lead back to its neighbours. */
function linkFiles(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (!entry.isDirectory()) linkSync(source, target);
    else if (entry.name !== "node_modules") linkFiles(source, target);
  }
}

/** Where Node finds `name` from `folder`. */
function findInstalled(folder: string, name: string): string {
  const candidate = join(folder, "node_modules", name);
  if (existsSync(candidate)) return candidate;
  const parent = dirname(folder);
  if (parent === folder) throw new Error(`${name} is not installed`);
  return findInstalled(parent, name);
}

/** The files below `path`, without those of packages within it. */
function bytesOf(path: string): number {
  const stats = lstatSync(path);
  if (!stats.isDirectory()) return stats.size;
  return readdirSync(path)
    .filter((name) => name !== "node_modules")
    .map((name) => bytesOf(join(path, name)))
    .reduce((a, b) => a + b, 0);
}
