// Which files a list of names, folders and globs stands for. Nothing is read here.

import { UserError } from "@tessera/config";
import { reasonOf } from "@tessera/files";
import { statSync, type Stats } from "node:fs";
import { isAbsolute, join } from "node:path";
import { globSync, isDynamicPattern } from "tinyglobby";

/** What counts as text in a folder; a glob or a name may take any other file. */
export const textEndings = ["txt", "text", "md", "markdown", "mdx", "rst", "adoc", "org", "tex"];

export interface TextFile {
  /** As the pattern gives it: relative to the working folder, or absolute. */
  readonly path: string;
  readonly bytes: number;
  /** Asked for by its own name, not met in a folder or by a glob. */
  readonly isNamed: boolean;
  /** The same for two paths to one file: device and inode. */
  readonly identity: string;
}

/**
 * The files that `patterns` stand for, sorted by path. A pattern is a file, a folder (all text
 * files below it, hidden folders left out) or a glob. Links are followed; a file to which several
 * patterns or links lead is there once. Throws a UserError for a pattern that stands for nothing.
 */
export function findTexts(patterns: readonly string[]): readonly TextFile[] {
  const found = new Map<string, TextFile>();
  for (const file of patterns.flatMap(filesOf).sort(byPlainness)) {
    if (!found.has(file.identity)) found.set(file.identity, file);
  }
  return [...found.values()].sort((a, b) => byText(a.path, b.path));
}

/** By code units, so that the order does not depend on the machine's language. */
const byText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** Of the paths to one file, the one that was named comes first, then the shortest. */
const byPlainness = (a: TextFile, b: TextFile): number =>
  Number(b.isNamed) - Number(a.isNamed) || a.path.length - b.path.length || byText(a.path, b.path);

function filesOf(pattern: string): readonly TextFile[] {
  const stats = statOf(pattern);
  if (stats?.isDirectory()) return filesBelow(pattern);
  if (stats !== undefined) {
    // A pipe is welcome: `--text <(zcat ...)`.
    if (stats.isFile() || stats.isFIFO()) return [fileAt(pattern, stats, true)];
    throw new UserError(`${pattern}: is a device or a socket, a file or a folder is needed`);
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
    const stats = statOf(path);
    return stats?.isFile() ? [fileAt(path, stats, false)] : [];
  });
}

const fileAt = (path: string, { size, dev, ino }: Stats, named: boolean): TextFile => ({
  path,
  bytes: size,
  isNamed: named,
  identity: `${dev}:${ino}`,
});

/** What stands at `path`, links followed; undefined for nothing. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw new UserError(`${path}: cannot be looked at (${reasonOf(error)}), check the path`);
  }
}
