// The files that names, folders and globs stand for. Does not read them.

import { UserError } from "@tessera/config";
import { isOwnDescriptor, statPath } from "@tessera/files";
import type { Stats } from "node:fs";
import { isAbsolute, join } from "node:path";
import { globSync, isDynamicPattern } from "tinyglobby";

/** Endings of text files in folders; a name or a glob can select any file. */
export const textEndings = ["txt", "text", "md", "markdown", "mdx", "rst", "adoc", "org", "tex"];

/** A file that a pattern stands for. */
export interface TextFile {
  /** Relative to the working folder or absolute, as in the pattern. */
  readonly path: string;
  readonly bytes: number;
  /** Whether a pattern is its own name, and not a folder or a glob. */
  readonly isNamed: boolean;
  /** Device and inode: the same for two paths to one file. */
  readonly identity: string;
}

/**
 * The files that `patterns` stand for, sorted by path. A pattern is a file, a folder (all text files below it, without
 * hidden folders) or a glob. Links are followed; a file to which several patterns or links lead is listed once.
 *
 * @throws UserError for a pattern without files.
 */
export function findTexts(patterns: readonly string[]): readonly TextFile[] {
  const found = new Map<string, TextFile>();
  for (const file of patterns.flatMap(filesOf).sort(byPlainness)) {
    if (!found.has(file.identity)) found.set(file.identity, file);
  }
  return [...found.values()].sort((a, b) => byText(a.path, b.path));
}

/** By code units: the order does not depend on the locale. */
const byText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** Of several paths to one file, the named one comes first, then the shortest. */
const byPlainness = (a: TextFile, b: TextFile): number =>
  Number(b.isNamed) - Number(a.isNamed) || a.path.length - b.path.length || byText(a.path, b.path);

function filesOf(pattern: string): readonly TextFile[] {
  const stats = statPath(pattern);
  if (stats?.isDirectory()) return filesBelow(pattern);
  if (stats !== undefined) {
    if (stats.isFile() || (stats.isFIFO() && isOwnDescriptor(pattern)))
      return [fileAt(pattern, stats, true)];
    // Pipes that this program was given are allowed: `--text <(zcat ...)`.
    const kind = stats.isFIFO() ? "a pipe with a name" : "a device or a socket";
    throw new UserError(`${pattern}: is ${kind}, a file or a folder is needed`);
  }
  if (!isDynamicPattern(pattern)) {
    throw new UserError(`${pattern}: there is no such file or folder, check the path`);
  }
  const files = regularFiles(globSync(pattern, { absolute: isAbsolute(pattern) }));
  if (files.length === 0) {
    throw new UserError(
      `${pattern}: no file matches this pattern (from ${process.cwd()}), check it and quote it`,
    );
  }
  return files;
}

function filesBelow(folder: string): readonly TextFile[] {
  const names = globSync(`**/*.{${textEndings.join(",")}}`, {
    cwd: folder,
    caseSensitiveMatch: false,
  });
  const files = regularFiles(names.map((name) => join(folder, name)));
  if (files.length === 0) {
    throw new UserError(
      `${folder}: the folder has no text files (${textEndings.map((e) => `.${e}`).join(" ")}), ` +
        `name other files by a glob such as "${join(folder, "**/*.py")}"`,
    );
  }
  return files;
}

function regularFiles(paths: readonly string[]): readonly TextFile[] {
  return paths.flatMap((path) => {
    const stats = statPath(path);
    return stats?.isFile() ? [fileAt(path, stats, false)] : [];
  });
}

const fileAt = (path: string, { size, dev, ino }: Stats, named: boolean): TextFile => ({
  path,
  bytes: size,
  isNamed: named,
  identity: `${dev}:${ino}`,
});
